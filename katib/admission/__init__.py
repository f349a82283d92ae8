"""What must hold before an experiment is accepted, in one place for every way in."""
