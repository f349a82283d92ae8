"""The Kubernetes driver: experiments are custom resources, trials are jobs of any kind, and the engine decides what happens next."""
