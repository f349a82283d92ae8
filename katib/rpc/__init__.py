"""The wire: Katib's services over gRPC, answered by worker processes. It knows no experiment but what a request says."""
