"""A service account's key file whose tokens this server gives."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

KIND = "service_account"


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(url: str, project: str) -> dict[str, Any]:
    """What Google's console lets one download, with a key made in this process."""
    return {
        "type": KIND,
        "project_id": project,
        "private_key_id": "made-for-a-test",
        "private_key": _private_key(),
        "client_email": f"link@{project}.iam.gserviceaccount.com",
        "client_id": "1",
        "auth_uri": f"{url}/auth",
        "token_uri": f"{url}/token",
    }
