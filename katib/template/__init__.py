"""A trial's job from its template, rendered as a tree, and the conditions that tell how the job ended."""
