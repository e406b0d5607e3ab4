"""What can keep the local engine from running, each with its remedy in the message."""


class EngineError(Exception):
    """The local engine cannot do what was asked; the message names the reason and the remedy."""


class ArtifactUnavailableError(EngineError):
    """A file that the local engine needs could not be obtained, for want of a network most often."""


class JavaNotFoundError(EngineError):
    """No Java on this machine is new enough for what should run."""


class StartError(EngineError):
    """A program was started and did not become ready; the message ends with the last lines of its log."""
