"""The ticket side as code: what can be said of it without Node. Its own tests run with `npm test` in infra/servicenow."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.intake import fields, signature
from shared.settings import load

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "infra" / "servicenow"
MADE = {"node_modules", "dist", "target", ".now"}
OURS = sorted(
    path
    for path in APP.rglob("*")
    if path.is_file() and not MADE & set(path.relative_to(APP).parts) and path.name != "package-lock.json"
)
PURE = ("signature", "event", "delivery")
CONFIG = json.loads((APP / "now.config.json").read_text("utf-8"))
PACKAGE = json.loads((APP / "package.json").read_text("utf-8"))
LOCK = json.loads((APP / "package-lock.json").read_text("utf-8"))
REGISTER = (APP / "src" / "fluent" / "generated" / "keys.ts").read_text("utf-8")
KEYS: dict[str, str] = dict(re.findall(r"^ {20}'?([\w-]+)'?: \{\n.*\n +id: '([0-9a-f]{32})'", REGISTER, re.MULTILINE))
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/standard_webhooks.json").read_text("utf-8"))


def fluent(name: str) -> str:
    return (APP / "src" / "fluent" / f"{name}.now.ts").read_text("utf-8")


def server(name: str) -> str:
    return (APP / "src" / "server" / f"{name}.ts").read_text("utf-8")


def pattern(source: str, name: str) -> str:
    """A regular expression of the sender's, without its anchors."""
    return str(re.findall(rf"^const {name} = /\^(.*)\$/$", source, re.MULTILINE)[0])


def number(source: str, name: str) -> int:
    return int(re.findall(rf"^(?:export )?const {name} = (\d+)$", source, re.MULTILINE)[0])


def choices(text: str) -> list[str]:
    return re.findall(r"(\w+): \{ label:", text)


# ---- what is sent is what is taken


@pytest.mark.parametrize("event", VECTORS["events"], ids=lambda event: event["case"])
def test_the_body_has_the_members_of_the_contract_and_no_others(event: dict[str, Any]) -> None:
    body = json.loads(event["body"])
    assert list(body) == ["type", "timestamp", "data"]
    assert list(body["data"]) == ["table", "sys_id", "number"]
    assert body["type"] == fields.EVENT_TYPE


def test_the_event_type_is_the_one_that_is_taken() -> None:
    assert f"EVENT_TYPE = '{fields.EVENT_TYPE}'" in server("event")


@pytest.mark.parametrize(("name", "alias"), [("TABLE", "Table"), ("SYS_ID", "SysId"), ("NUMBER", "Number")])
def test_the_sender_reports_only_what_the_receiver_can_read(name: str, alias: str) -> None:
    grammar = re.findall(rf'^type {alias} = .*matching\(r"(.*?)"', Path(fields.__file__).read_text("utf-8"), re.MULTILINE)
    assert grammar == [pattern(server("event"), name)]


def test_ids_and_keys_are_those_that_the_receiver_takes() -> None:
    assert pattern(server("signature"), "ID") == signature._ID.pattern
    assert number(server("signature"), "SHORTEST_KEY") == signature._KEY_BYTES
    assert f"PREFIX = '{signature._KEY_PREFIX}'" in server("signature")


def test_no_more_signatures_are_sent_than_are_read() -> None:
    most = number(server("signature"), "MOST_KEYS")
    one = VECTORS["deliveries"][0]["signature"]
    assert signature._SIGNATURES.fullmatch(" ".join([one] * most))
    assert not signature._SIGNATURES.fullmatch(" ".join([one] * (most + 1)))


def test_the_sender_gives_up_while_the_receiver_would_still_take_the_event() -> None:
    hours, minutes = re.findall(r"GIVE_UP_AFTER = (\d+) \* 3600 - (\d+) \* 60$", server("delivery"), re.MULTILINE)[0]
    settings = load({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    longest = timedelta(hours=int(hours)) - timedelta(minutes=int(minutes))
    assert timedelta(hours=12) < longest <= settings.limits.request_max_age - fields.TOLERANCE


# ---- who decides, and when


def test_the_rule_fires_on_approval_of_this_item_alone() -> None:
    assert "filterCondition: `cat_item=${item.$id}^approvalCHANGESTOapproved`" in fluent("ticket")
    assert re.search(r"when: 'async',\s+action: \['insert', 'update'\],\s+filterCondition: `cat_item=", fluent("ticket"))


def test_an_approval_that_nobody_gives_is_a_no() -> None:
    due = re.findall(r"approvalDueDate\(\{(.*?)\}\)", fluent("approval"), re.DOTALL)
    assert len(due) == fluent("approval").count("action.core.askForApproval") == 1
    assert "action: 'reject'" in due[0]
    assert "duration: 2," in due[0]
    assert "groups: [approvers.$id]" in fluent("approval")


def test_only_the_desk_orders_and_only_the_desk_tries_again() -> None:
    assert "availableFor: [deskOnly]" in fluent("item")
    assert "name: 'x_rereg_mfa.desk' })]" in fluent("access")
    assert "roles: [desk]," in fluent("ticket")


def test_the_proof_is_written_by_the_application_alone_on_old_tickets_and_on_new_ones() -> None:
    """A new record is held to the rules on creation, not to those on writing: whoever may insert tickets could bring a proof."""
    rules = re.findall(r"field: 'x_rereg_mfa_identity_proof',\s+operation: '(\w+)',\s+roles: \[(.*?)\]", fluent("ticket"))
    assert rules == [("write", "'admin'"), ("create", "'admin'")]
    by_hand = (APP / "by-hand.md").read_text("utf-8")
    assert "`sc_req_item.x_rereg_mfa_identity_proof`, write and create (a rule each), `admin`" in by_hand


def test_what_an_approver_has_seen_is_what_is_reset() -> None:
    """Reregister binds the person at its first reading; what is changed between approval and that it cannot know."""
    changes = "requested_forVALCHANGES^ORopened_byVALCHANGES^ORcat_itemVALCHANGES^ORapprovalCHANGESTOnot requested"
    rule = rf"when: 'before',\s+action: \['update'\],\s+filterCondition:\s+`cat_item=\$\{{item.\$id\}}\^{re.escape(changes)}`"
    assert re.search(rf"{rule},\s+script: keepOrder,", fluent("ticket").replace("'\n", "'"))
    assert f"`cat_item=<item>^{changes}`" in (APP / "by-hand.md").read_text("utf-8")


def test_the_proof_is_chosen_from_the_values_that_the_ticket_can_hold() -> None:
    asked = choices(fluent("item"))
    assert asked == choices(fluent("ticket"))
    assert asked[-1] == "none"
    accepted = re.findall(r"`PROOF_ACCEPTED` \| `(.*?)`", (APP / "README.md").read_text("utf-8"))
    assert accepted == [" ".join(asked[:-1])]


def test_rows_of_the_outbox_are_written_by_the_application_alone() -> None:
    rules = dict(re.findall(r"operation: '(\w+)',\s+roles: \[(.*?)\]", fluent("outbox")))
    assert rules == {"read": "desk", "create": "'admin'", "write": "'admin'", "delete": "'admin'"}
    assert "allowWebServiceAccess: false" in fluent("outbox")
    assert "unique: true, element: 'event_id'" in fluent("outbox")


def test_the_key_is_a_private_password_without_a_value() -> None:
    url, key = re.findall(r"Property\(\{(.*?)\n\}\)", fluent("settings"), re.DOTALL)
    assert "type: 'password2'" in key
    assert "isPrivate: true" in key
    for text in (url, key):
        assert "value: ''," in text
        assert "installMethod: 'first install'" in text


# ---- how it is built


@pytest.mark.parametrize("name", PURE)
def test_what_decides_knows_neither_the_instance_nor_node(name: str) -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", server(name), flags=re.DOTALL)
    assert "export function" in code
    assert not re.search(r"^import |\brequire\(|\bgs\.|Glide|Buffer|process\.", code, re.MULTILINE)


def test_only_one_module_touches_the_instance() -> None:
    touching = [path.stem for path in (APP / "src/server").glob("*.ts") if "@servicenow/glide" in path.read_text("utf-8")]
    assert touching == ["outbox"]


def test_versions_are_pinned_here_and_in_the_lock() -> None:
    pinned = PACKAGE["devDependencies"]
    assert pinned == {"@servicenow/glide": "27.0.5", "@servicenow/sdk": "4.9.0", "typescript": "5.5.4"}
    assert LOCK["packages"][""]["devDependencies"] == pinned
    assert all(LOCK["packages"][f"node_modules/{name}"]["version"] == version for name, version in pinned.items())
    assert all("integrity" in one for where, one in LOCK["packages"].items() if where and not one.get("inBundle"))


def test_no_package_names_the_registry_it_came_from() -> None:
    assert [where for where, one in LOCK["packages"].items() if "resolved" in one] == []
    assert (APP / ".npmrc").read_text("utf-8") == (ROOT / ".npmrc").read_text("utf-8")


def test_the_committed_keys_are_those_that_are_used() -> None:
    named = {
        key
        for path in (APP / "src/fluent").glob("*.now.ts")
        for key in re.findall(r"Now\.ID\['([\w-]+)'\]", path.read_text("utf-8"))
    }
    modules = {f"src_server_{path.stem}_ts" for path in (APP / "src/server").glob("*.ts")}
    assert set(KEYS) == named | modules | {"package_json", "bom_json"}
    assert len(set(KEYS.values())) == len(KEYS)


def test_the_page_names_the_records_that_the_app_must_know() -> None:
    page = (APP / "README.md").read_text("utf-8")
    assert f"| `SERVICENOW_CATALOG_ITEMS` | `{KEYS['item']}` |" in page
    assert f"| `APPROVER_GROUP` | `{KEYS['approvers']}` |" in page
    assert "| `PROOF_FIELD` | `x_rereg_mfa_identity_proof` |" in page


def test_there_is_one_scope() -> None:
    assert re.fullmatch(r"x_[a-z0-9_]{2,16}", CONFIG["scope"])
    named = {name for path in OURS for name in re.findall(r"\bx_[a-z]+_[a-z0-9_]+", path.read_text("utf-8"))}
    assert {name for name in named if not name.startswith(CONFIG["scope"])} <= {"x_1234_mfa"}


def test_nothing_that_looks_like_a_secret_or_a_place_is_committed() -> None:
    everything = "\n".join(path.read_text("utf-8") for path in OURS)
    assert not re.search(r"whsec_[A-Za-z0-9+/]{12,}", everything)
    assert not re.search(r"[\w-]+\.service-now\.com", everything)
    assert not re.search(r"\bregistry\b[.]|/(?:home|work|root|Users)/", everything)
    hosts = {host for host in re.findall(r"https?://([\w.-]+)", everything) if "." in host}
    assert {host for host in hosts if not host.endswith("example.net")} == set()
