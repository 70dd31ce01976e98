"""Where a round takes place and as whom, and how a step is told."""

import base64
import json
from dataclasses import dataclass

from azure.core.exceptions import AzureError

ARM = "https://management.azure.com"


@dataclass
class Place:
    credential: object
    subscription: str
    group: str
    tag: str

    def scope(self):
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    def claims(self):
        """Of the token that Azure Resource Manager gets."""
        body = self.credential.get_token(f"{ARM}/.default").token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def refusal(error):
    """By what a program tells errors apart: their type, their status, their codes."""
    seen = {"type": type(error).__name__}
    if getattr(error, "status_code", None):
        seen["status"] = error.status_code
    body = getattr(error, "error", None)
    if body is not None:
        seen["code"] = body.code
        inner = body.innererror or {}
        if inner.get("code"):
            seen["inner"] = inner["code"]
    return {"refused": seen}


def step(name, do):
    """Tells what `do` answers, or how Azure refused."""
    try:
        saw = do()
    except AzureError as error:
        saw = refusal(error)
    print(json.dumps({"step": name, "saw": saw}, sort_keys=True), flush=True)


def pages(paged):
    """The pages of a list, each a list."""
    return [list(page) for page in paged.by_page()]


def names(items):
    return sorted(item.name for item in items)
