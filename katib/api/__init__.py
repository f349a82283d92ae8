"""The resources people write and read: Experiment, Trial and Suggestion of ``kubeflow.org/v1beta1``."""
