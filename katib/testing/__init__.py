"""Contract suites for algorithms, stores and runners, shipped for plug-in authors."""
