"""Contract suites for plug-in authors: inherit one in a test class, and it holds your plug-in to what ours promise."""
