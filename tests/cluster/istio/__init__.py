"""Pods in a mesh: a sidecar of a real Envoy, put there by hand or by a webhook, and Istio itself where Go can build it."""
