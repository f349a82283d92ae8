"""The kinds of jobs that trials can be, one folder each; ``katib.api.trial_kind`` finds them by their folders."""
