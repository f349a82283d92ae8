"""Every schema the store has had, each as the steps from the one before; forward only."""
