"""Hyperparameter tuning as a service: experiments in, best trials out."""
