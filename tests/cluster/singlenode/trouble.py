"""What can go wrong with a cluster, as a sentence for the person who wanted one."""


class Trouble(Exception):
    """The cluster cannot do what was asked; the text says why and what to do."""


class NoMeans(Trouble):
    """This machine cannot have a cluster: a right, a program or a version is missing."""
