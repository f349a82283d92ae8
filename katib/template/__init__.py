"""A trial's job from its template, rendered on the parsed tree; where templates come from; how a job's end is recognised."""
