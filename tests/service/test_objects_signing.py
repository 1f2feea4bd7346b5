"""Signatures against the examples of Amazon's reference, "Authenticating Requests: Using the Authorization Header"."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.objects.signing import EMPTY, Keys, authorisation, query_of, quoted

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"}
PUT_DIGEST = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
EXAMPLES = {
    "get": (
        "GET", "/test.txt", {}, {"range": "bytes=0-9", "x-amz-content-sha256": EMPTY},
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put": (
        "PUT", "/test$file.text", {},
        {
            "date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": PUT_DIGEST,
        },
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "lifecycle": (
        "GET", "/", {"lifecycle": ""}, {"x-amz-content-sha256": EMPTY},
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list": (
        "GET", "/", {"prefix": "J", "max-keys": "2"}, {"x-amz-content-sha256": EMPTY},
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_reference(name: str) -> None:
    method, path, query, headers, signature = EXAMPLES[name]
    told = authorisation(method, quoted(path), query_of(query), HOST | headers, keys=KEYS, region="us-east-1", at=AT)
    assert told.endswith(f",Signature={signature}")
    names = ";".join(sorted(HOST | headers))
    scope = "20130524/us-east-1/s3/aws4_request"
    assert told.startswith(f"AWS4-HMAC-SHA256 Credential={KEYS.access}/{scope},SignedHeaders={names},")


def test_the_secret_is_never_shown() -> None:
    assert KEYS.secret not in repr(KEYS)
