"""Talk to an API server well: requests, watches, leases, events. Knows no experiment."""
