"""`python -m sandbox.demo`: the main job as a story, from a lost phone to the proof. Exits 0 only if all of it happened.

What the app says is shown; what counts is asked of the services around it. The first claim that does not hold is named, and the
exit status is 1.
"""

import argparse
import json
import re
from datetime import UTC, datetime

import aiohttp

from sandbox import command, people
from sandbox.scene import Document, Scene, name
from sandbox.stack import AGENT, APPROVER, TRUSTED_SOURCE, Stack, stack
from sandbox.timeline import DidNotHappen, Teller, methods

GRAPH_SECONDS = 0.15  # for each answer of Graph, so that there is something to watch
CLOSED_COMPLETE = "3"  # the value of a task's state
CAST = {
    people.ADELE: "has lost her phone",
    AGENT: "opens the tickets",
    APPROVER: "approves them",
    people.DIEGO: "has a session that was stolen; the security team's automation found out",
    people.JONI: "is Global Administrator: whoever asks for this reset may be an attacker",
}


async def introduce(up: Stack, tell: Teller) -> None:
    tell.heading("What is running, all of it on this machine")
    tell.facts(
        [
            ("the app", f"{up.app.url} on a local Functions host, in mode {up.settings['MODE']}"),
            ("queues", f"{up.account.endpoints['queue']} (Azurite)"),
            ("journal", f"{up.journal_account.endpoints['table']} (Azurite, an account of its own)"),
            ("Microsoft Graph", f"{up.graph.url} (simulated; takes {GRAPH_SECONDS} s for each answer)"),
            ("ServiceNow", f"{up.servicenow.url} (simulated)"),
            ("managed identity", f"{up.identity.url} (simulated; there is no secret for Graph or ServiceNow)"),
        ]
    )
    tell.heading("Who is who")
    tell.facts([(f"{name(user)}, {(await up.person(user))['jobTitle']}", what) for user, what in CAST.items()])


async def lost_phone(up: Stack, tell: Teller) -> None:
    """A ticket, approved, becomes a person who must register again."""
    tell.heading("1. Adele loses her phone: a ticket")
    scene = await Scene.about(people.ADELE, up, tell)
    tell.say("Registered for her, as the directory has it:")
    tell.facts(methods(scene.before))
    ticket, request_id, since = await scene.approved_ticket()
    status = await scene.followed(request_id, since, "ticket-noted outcome", "result-published")
    event = await scene.result(lambda event: event["subject"] == request_id)

    tell.say("Registered for her now:")
    tell.facts(methods(await up.person(people.ADELE)))
    tell.say("The ticket, as the help desk sees it (in its own time zone):")
    page = await up.page(ticket)
    tell.page(page)
    tell.say("The result event:")
    tell.document(event)

    tell.say("Graph's own log of what was asked to change:")
    await scene.show_writes()
    tell.say("Checked from outside, not on the app's word:")
    await scene.check_person({"password"})
    await scene.check_removals(status, {"phone", "microsoftAuthenticator", "softwareOath"})
    await scene.check_others()
    scene.check_outcome(status, event, "done", "removed")
    _, comment = scene.check_notes(page, request_id)
    tell.check("set up multifactor authentication again" in comment, "the comment says what Adele has to do next")
    record = (await up.servicenow.get(f"/_sim/ticket?ticket={ticket['number']}"))["record"]
    closed = (record["state"], record["active"]) == (CLOSED_COMPLETE, "false")
    tell.check(closed, "the ticket is closed")


async def stolen_session(up: Stack, tell: Teller) -> None:
    """A message on the queue does the same; what the profile does not name stays."""
    tell.heading("2. Diego's session is stolen: no ticket, a message on the queue")
    scene = await Scene.about(people.DIEGO, up, tell)
    tell.say("Registered for him:")
    tell.facts(methods(scene.before))
    tell.say(f"{TRUSTED_SOURCE}, which is trusted to act without a ticket, puts this on mfa-requests:")
    since = datetime.now(UTC).replace(microsecond=0)  # when a message came, a queue says in whole seconds
    sent = await up.send_request(
        people.DIEGO,
        profile="require-reregister",
        reason="SOAR-4711: session token replayed from unfamiliar network",
        requestedBy="soar-playbook-17",
    )
    tell.document(sent)
    cause = {"source": sent["source"], "id": sent["id"]}
    tell.say("This time, watch Graph's own log until the result event is there:")
    event = await scene.watched(since, lambda event: event["data"].get("cause") == cause)
    tell.say("The same as the app tells it:")
    status = await scene.followed(event["subject"], since, "result-published")

    tell.say("Registered for him now; the profile names neither passkey nor Windows Hello:")
    tell.facts(methods(await up.person(people.DIEGO)))
    tell.say("Checked from outside:")
    await scene.check_person({"password", "fido2", "windowsHelloForBusiness"})
    await scene.check_removals(status, {"phone"})
    await scene.check_others()
    scene.check_outcome(status, event, "done", "removed")


async def administrator(up: Stack, tell: Teller) -> None:
    """The same approved ticket, for somebody whom no help desk may reset: the desk learns why, the customer does not."""
    tell.heading("3. Somebody calls the service desk in the name of a Global Administrator")
    scene = await Scene.about(people.JONI, up, tell)
    ticket, request_id, since = await scene.approved_ticket()
    status = await scene.followed(request_id, since, "ticket-noted outcome", "result-published")
    event = await scene.result(lambda event: event["subject"] == request_id)

    page = await up.page(ticket)
    tell.say("The ticket, as the help desk sees it:")
    tell.page(page)
    tell.say("Checked from outside:")
    scene.check_outcome(status, event, "refused", "user-privileged")
    tell.check(await scene.alerts() == ["privileged-subject"], "an alert says that somebody asked for an administrator")
    await scene.check_untouched()
    await scene.check_others()
    work_note, comment = scene.check_notes(page, request_id)
    tell.check("user-privileged" in work_note, "the work note tells the desk why")
    tell.check(
        not re.search("privileged|role|admin|refused", comment, re.IGNORECASE),
        "the comment tells whoever called nothing about it",
    )


async def story(faults: list[Document]) -> int:
    tell = Teller()
    tell.say("Starting the app and everything around it ...")
    async with stack(SERVICENOW_DONE_STATE=CLOSED_COMPLETE) as up:
        try:
            await up.graph.put("/_sim/latency", {"seconds": GRAPH_SECONDS})
            for fault in faults:
                await up.graph.fault(**fault)
            await introduce(up, tell)
            for scene in (lost_phone, stolen_session, administrator):
                await scene(up, tell)
        except (DidNotHappen, aiohttp.ClientError, RuntimeError) as missing:
            tell.failed(missing)
            tell.say("The app's last words:")
            tell.page("\n".join(list(up.hosts[-1].lines)[-20:]))
            return 1
    tell.done("All of it happened: two resets that were asked for, and none that must not be.")
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.demo", description="The main job, from a lost phone to the proof.")
    # For the demo's own test: what Graph then does wrong must not go unnoticed.
    parser.add_argument("--fault", type=json.loads, action="append", default=[], help=argparse.SUPPRESS)
    faults = parser.parse_args().fault
    command.run(lambda: story(faults))


if __name__ == "__main__":
    main()
