"""Who is in a room, here and on other instances: ephemeral, never in the log, sent in bundles."""

from __future__ import annotations

from typing import Any

from sync.bus_messages import PresenceShared
from sync.codec import JSON, CodecName
from sync.open_room import Elsewhere, OpenRoom
from sync.protocol import ParticipantView, PresenceView
from sync.session import Participant

FLUSH_SECONDS = 0.05  # cursors move smoothly at 20 a second, and a hundred of them cost one frame
SHARE_SECONDS = 20.0  # how often an instance repeats who is there
FADE_SECONDS = 60.0  # three repeats missed: its people are gone (reliability bar 33)
STATE_BYTES = 4_096  # a cursor, a selection and what is being edited; more belongs into the tree


def size(state: dict[str, Any]) -> int:
    """What a state weighs against STATE_BYTES."""
    return len(JSON.encode_value(state))


def views(place: OpenRoom, but: Participant | None = None) -> list[ParticipantView]:
    """Everyone in the room on any instance, one left out."""
    here = [other.view() for other in place.room.participants.values() if other is not but]
    return here + [view for elsewhere in place.elsewhere.values() for view in elsewhere.participants.values()]


def hear(place: OpenRoom, shared: PresenceShared, now: float) -> bool:
    """Take what another instance says of its people; answers whether it has people here for the first time, and so may
    not have heard of ours."""
    known = place.elsewhere.get(shared.instance)
    before = known.participants if known is not None else {}
    after = {view.id: view for view in shared.participants}
    place.presence_changed |= {one for one, view in after.items() if before.get(one) != view}
    place.left |= before.keys() - after.keys()
    if after:
        place.elsewhere[shared.instance] = Elsewhere(after, now)
    else:
        place.elsewhere.pop(shared.instance, None)
    return known is None and bool(after)


def fade(place: OpenRoom, now: float) -> None:
    """Forget the people of instances that fell silent."""
    for instance, elsewhere in list(place.elsewhere.items()):
        if now - elsewhere.heard > FADE_SECONDS:
            place.left |= elsewhere.participants.keys()
            del place.elsewhere[instance]


def flush(place: OpenRoom) -> None:
    """Tell everyone here what changed since the last time; who reads slowly is told what he missed once he has read."""
    changed = place.presence_changed | place.left
    place.presence_changed, place.left = set(), set()
    known = {view.id: view for view in views(place)}
    frames: dict[CodecName, bytes] = {}
    for participant in place.room.participants.values():
        outbox = participant.session.outbox
        if outbox.full or not participant.live:
            participant.missed |= changed
        elif participant.missed:
            participant.session.send(_news(place, known, changed | participant.missed))
            participant.missed = set()
        elif changed:
            name = outbox.wire.codec.name
            if name not in frames:
                frames[name] = outbox.wire.frame(outbox.wire.codec.encode(_news(place, known, changed)))
            outbox.write(frames[name])


def _news(place: OpenRoom, known: dict[str, ParticipantView], changed: set[str]) -> PresenceView:
    return PresenceView(
        tree=place.key.tree,
        participants=[known[one] for one in sorted(changed & known.keys())],
        left=sorted(changed - known.keys()),
    )
