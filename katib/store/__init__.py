"""The ModelDB-like store: what was asked, tried, observed and decided, kept after everything else is gone."""
