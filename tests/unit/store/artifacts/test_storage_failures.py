import pytest

from katib.errors import Conflict, Denied, InvalidInput, NotFound, StoreUnavailable, Unsupported

exceptions = pytest.importorskip("obstore.exceptions")
failures = pytest.importorskip("katib.store.artifacts.storage_failures")

ISSUER = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1ms - Server returned non-2xx status code: 403"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (FileNotFoundError("status code: 404 <Code>NoSuchKey</Code>"), NotFound, "there is no artifact a"),
        (FileNotFoundError("status code: 404 <Code>NoSuchBucket</Code>"), StoreUnavailable, "make the bucket first"),
        (
            exceptions.GenericError("status code: 404 <Code>ContainerNotFound</Code>"),
            StoreUnavailable,
            "make the bucket",
        ),
        (exceptions.AlreadyExistsError("x"), Conflict, "already"),
        (exceptions.PreconditionError("x"), Conflict, "already"),
        (exceptions.PermissionDeniedError("status code: 403 <Code>AccessDenied</Code>"), Denied, "403 .AccessDenied."),
        (exceptions.UnauthenticatedError("valid authentication credentials"), Denied, "refuses the credentials"),
        (exceptions.GenericError(ISSUER), Denied, "no credentials .* were found"),
        (
            exceptions.GenericError("http://169.254.169.254/latest kind: Timeout"),
            Denied,
            "no credentials .* were found",
        ),
        (exceptions.InvalidPathError("x"), InvalidInput, "cannot hold"),
        (exceptions.NotSupportedError("x"), Unsupported, "cannot do this"),
        (exceptions.GenericError("kind: Timeout"), StoreUnavailable, "did not answer in time"),
        (exceptions.GenericError("kind: Connect"), StoreUnavailable, "no connection"),
        (exceptions.GenericError("status code: 409"), StoreUnavailable, "it answered 409"),
        (
            exceptions.GenericError("status code: 400 <Code>X</Code>"),
            InvalidInput,
            "does not take the request: 400 .X.",
        ),
        (ValueError("whatever"), StoreUnavailable, "made no sense"),
    ],
)
def test_what_a_storage_says_becomes_what_a_person_can_act_on(error, kind, text):
    told = failures.storage_error(error, "s3://bucket", "a")
    assert type(told) is kind
    with pytest.raises(kind, match=text):
        raise told


def test_text_of_the_library_is_never_passed_on():
    error = exceptions.GenericError("GET https://host/a?sig=hidden in 1ms - status code: 500 <Message>hidden</Message>")
    assert "hidden" not in str(failures.storage_error(error, "az://container", "a"))
