"""The rounds of an application that uses the Azure SDK for Python: `rounds.py CREDENTIAL TAG GROUP [ROUND…]`.

Knows of no sandbox: the SDK finds Azure by its environment. CREDENTIAL is secret, federated or managed; TAG is in the name of all that is
made, so that many can share a subscription. Prints one JSON line a step, {"step", "saw"}; what is seen is for the reader to judge.
"""

import os
import sys

import credential_rounds
import identity_rounds
import late_rounds
import login_rounds
import role_rounds
import secret_rounds
import vault_rounds
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from place import Place

ROUNDS = {
    "login": login_rounds.run,
    "identities": identity_rounds.run,
    "credentials": credential_rounds.run,
    "roles": role_rounds.run,
    "vaults": vault_rounds.run,
    "secrets": secret_rounds.run,
    "backup": secret_rounds.backup,
    "late": late_rounds.run,
}


def credential(kind):
    if kind == "secret":
        names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
        return ClientSecretCredential(*(os.environ[name] for name in names))
    if kind == "federated":
        return WorkloadIdentityCredential()
    if kind == "managed":
        return ManagedIdentityCredential(client_id=os.environ["AZURE_CLIENT_ID"])
    sys.exit(f"no such credential: {kind}")


def main(kind, tag, group, *rounds):
    place = Place(credential(kind), os.environ["AZURE_SUBSCRIPTION_ID"], group, tag)
    for name in rounds:
        ROUNDS[name](place)


main(*sys.argv[1:])
