"""Who the token says that one is, and logins that Entra or a node's metadata service refuses."""

import os
import re

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from place import ARM, step

NOBODY = "11111111-2222-3333-4444-555555555555"


def run(place):
    step("login", lambda: who(place))
    tenant, client = os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"]
    token = os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
    others = {}
    if "AZURE_CLIENT_SECRET" in os.environ:
        others["wrong secret"] = lambda: ClientSecretCredential(tenant, client, "wrong")
        others["unknown client"] = lambda: ClientSecretCredential(tenant, NOBODY, "wrong")
        others["unknown tenant"] = lambda: ClientSecretCredential(NOBODY, client, "wrong")
    elif token:
        # a token of another service account is beside the right one
        others["wrong subject"] = lambda: WorkloadIdentityCredential(token_file_path=token + ".other")
        others["unknown client"] = lambda: WorkloadIdentityCredential(client_id=NOBODY)
        others["no token"] = lambda: WorkloadIdentityCredential(token_file_path=os.devnull)
    else:
        others["not assigned"] = lambda: ManagedIdentityCredential(client_id=NOBODY)
        others["one of several"] = lambda: ManagedIdentityCredential()
    for name, credential in others.items():
        step(f"login.{name}", lambda: refused(credential()))


def who(place):
    claims = place.claims()
    return {name: claims[name] for name in ("aud", "iss", "tid", "appid", "oid", "idtyp")}


def refused(credential):
    try:
        credential.get_token(f"{ARM}/.default")
    except ClientAuthenticationError as error:
        says = re.search(r"AADSTS\d+|Identity not found|Multiple user assigned identities|authority configuration", error.message)
        return {"refused": {"type": type(error).__name__, "says": says.group() if says else error.message}}
    return "a token"
