"""One connection: bytes of a stream in, answers out; the table of commands."""

from __future__ import annotations

import time
from typing import Any, Callable, TypeVar

from edgeq.agent.errors import Ending, Refused
from edgeq.agent.files import refusal
from edgeq.agent.jobs import Job
from edgeq.agent.service import MAX_INVOKE_BYTES, PIECE_BYTES, Service
from edgeq.protocol import contract, smp
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

BUF_SIZE = 0xFFFF
BUF_COUNT = 16
_T = TypeVar("_T")


class Connection:
    """Holds what belongs to one host: the decoder, and input and output of its inference.

    `reset` becomes true once the host has asked the agent to end (it starts anew at the next attach).
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoder = smp.StreamDecoder(BUF_SIZE + 4096)
        self._input = bytearray()
        self._output = b""
        self.reset = False

    def close(self) -> None:
        """The host is gone."""
        self._service.lease.drop(self)

    def feed(self, data: bytes) -> bytes:
        """Answers to every message that `data` completes. `smp.SmpError` and `Ending`: the stream cannot be used any
        longer."""
        return b"".join(self._encoded(message) for message in self._decoder.feed(data))

    def _encoded(self, message: Message) -> bytes:
        """The answer's bytes; where it cannot be said in one message that is the answer, and the stream goes on."""
        try:
            return self._answer(message).encode()
        except ValueError as error:
            return _refusal(message, Refused(Status.INVALID, f"the answer fits into no message: {error}")).encode()

    def _answer(self, message: Message) -> Message:
        handler = _HANDLERS.get((message.op, message.group, message.command))
        if handler is None:
            return message.answer({"rc": smp.RC_UNSUPPORTED})
        try:
            self._service.lease.heard(self)
            if (message.op, message.group, message.command) in _CHANGES:
                self._service.lease.check(self)
            return message.answer(handler(self, message.body))
        except Ending:
            raise
        except OSError as error:
            refused = refusal(error)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            refused = Refused(Status.INVALID, f"the request is malformed: {error!r}"[:500])
        except Refused as error:
            refused = error
        return _refusal(message, refused)

    # group 0

    def echo(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"r": str(body["d"])}

    def os_reset(self, _body: dict[str, Any]) -> dict[str, Any]:
        if self._service.jobs.busy:
            return {"rc": smp.RC_BAD_STATE}
        self.reset = True
        return {}

    def params(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {"buf_size": BUF_SIZE, "buf_count": BUF_COUNT}

    # group 1: the releases as stock tools know images

    def image_state(self, _body: dict[str, Any]) -> dict[str, Any]:
        state = self._service.store.state
        images: list[dict[str, Any]] = []
        for n, entry in sorted(state.releases.items()):
            active = n == state.serving
            image = {
                "image": 0,
                "slot": len(images),
                "version": f"{n}.0.0",
                "hash": bytes.fromhex(entry["sha"]),
                "bootable": entry["state"] != "bad",
                "pending": False,
                "confirmed": entry["state"] == "confirmed",
                "active": active,
                "permanent": active and entry["state"] == "confirmed",
            }
            images.append(image)
        return {"images": images}

    # group 64

    def describe(self, _body: dict[str, Any]) -> dict[str, Any]:
        return self._service.describe()

    def releases(self, _body: dict[str, Any]) -> dict[str, Any]:
        return self._service.releases()

    def member(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._service.member(_or_none(_count, body.get("n")), body["name"], _count(body["off"]))

    def blob_have(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._service.have(body["sha"])

    def blob_put(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._service.put(body["sha"], _count(body["off"]), _count(body["len"]), body["data"])

    def _job(self, job: Job) -> dict[str, Any]:
        self._service.lease.works(self, job)
        return {"job": job.number}

    def stage(self, body: dict[str, Any]) -> dict[str, Any]:
        system, envelope = _or_none(_text, body.get("system")), _or_none(_bytes, body.get("envelope"))
        return self._job(self._service.stage(_bytes(body["sha"]), _list(body["wheels"]), system, envelope))

    def selftest(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._job(self._service.selftest(_or_none(_count, body.get("n"))))

    def activate(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._job(self._service.activate(_count(body["n"])))

    def confirm(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._service.confirm(_count(body["n"]))

    def rollback(self, _body: dict[str, Any]) -> dict[str, Any]:
        return self._job(self._service.rollback())

    def verify(self, _body: dict[str, Any]) -> dict[str, Any]:
        return self._job(self._service.verify())

    def bench(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._job(self._service.bench(body))

    def profile(self, body: dict[str, Any]) -> dict[str, Any]:
        given = (_count(body["runs"]), _count(body["threads"])) if "runs" in body else (1, 0)
        delegate = str(body.get("delegate", ""))[:40]
        return self._job(self._service.profile(_or_none(_count, body.get("n")), *given, delegate))

    def hold(self, body: dict[str, Any]) -> dict[str, Any]:
        """Others that hold the device are waited for in here: this connection has nothing else to do."""
        wait_s = body.get("wait_s", 0)
        if not isinstance(wait_s, (int, float)) or isinstance(wait_s, bool) or not 0 <= wait_s < float("inf"):
            raise ValueError(f"wait_s {wait_s!r}")
        self._service.lease.take(self, _text(body["who"]), wait_s)
        return {}

    def report(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._service.report(
            _count(body["n"]), _count(body["good"]), _count(body["bad"]), str(body.get("why", ""))
        )

    def trust(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._service.trust(_bytes(body["document"]), _bytes(body["envelope"]))

    def job(self, body: dict[str, Any]) -> dict[str, Any]:
        job = self._service.jobs.get(_count(body["job"]))
        job.stopping = job.stopping or body.get("stop") is True
        polled = job.poll(_count(body["from"]), body.get("gaps") is True, _or_none(_count, body.get("trace")))
        return {**polled, "clock_ns": time.perf_counter_ns()}

    def invoke(self, body: dict[str, Any]) -> dict[str, Any]:
        """Collect input; the chunk that completes it runs the model."""
        offset, length, data = _count(body["off"]), _count(body["len"]), body["data"]
        if not 0 < length <= MAX_INVOKE_BYTES or offset + len(data) > length:
            raise Refused(Status.INVALID, f"an input of {length} bytes; at most {MAX_INVOKE_BYTES} at once")
        if offset == 0:
            self._input.clear()
        if offset == len(self._input):
            self._input += data
            if len(self._input) == length:
                self._output = self._inferred(body)
        if len(self._input) == length:
            return {"off": length, "out": len(self._output)}
        return {"off": len(self._input)}

    def _inferred(self, body: dict[str, Any]) -> bytes:
        """What the model says of the input. Where it says nothing the input is gone, too: its last chunk, sent again,
        must not find the output of the inference before."""
        try:
            n, tensor = (_or_none(_count, body.get(key)) for key in ("n", "tensor"))
            return self._service.invoke(n, bytes(self._input), body.get("raw"), tensor)
        except BaseException:
            self._input.clear()
            raise

    def output(self, body: dict[str, Any]) -> dict[str, Any]:
        offset = _count(body["off"])
        return {"len": len(self._output), "data": self._output[offset : offset + PIECE_BYTES]}

    def sensors(self, _body: dict[str, Any]) -> dict[str, Any]:
        return self._service.sensors()


def _refusal(message: Message, refused: Refused) -> Message:
    """How the group of this request says no."""
    if message.group != smp.GROUP_EDGEQ:
        codes = {Status.INVALID: smp.RC_INVALID, Status.BUSY: smp.RC_BAD_STATE}
        return message.answer({"rc": codes.get(refused.status, smp.RC_UNKNOWN)})
    reason = refused.reason[:500].encode("utf-8", "replace").decode()
    return message.answer({"err": {"group": smp.GROUP_EDGEQ, "rc": int(refused.status)}, "rsn": reason})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} is not a byte string")
    return value


def _list(value: Any) -> list[bytes]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return [_bytes(item) for item in value]


def _or_none(read: Callable[[Any], _T], value: Any) -> _T | None:
    """`value` where there is one."""
    return None if value is None else read(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


_Handler = Callable[[Connection, "dict[str, Any]"], "dict[str, Any]"]
_HANDLERS: dict[tuple[int, int, int], _Handler] = {
    (smp.WRITE, smp.GROUP_OS, smp.OS_ECHO): Connection.echo,
    (smp.READ, smp.GROUP_OS, smp.OS_ECHO): Connection.echo,
    (smp.WRITE, smp.GROUP_OS, smp.OS_RESET): Connection.os_reset,
    (smp.READ, smp.GROUP_OS, smp.OS_PARAMS): Connection.params,
    (smp.READ, smp.GROUP_IMAGE, smp.IMAGE_STATE): Connection.image_state,
    contract.DESCRIBE: Connection.describe,
    contract.RELEASES: Connection.releases,
    contract.MEMBER: Connection.member,
    contract.BLOB_HAVE: Connection.blob_have,
    contract.BLOB_PUT: Connection.blob_put,
    contract.STAGE: Connection.stage,
    contract.SELFTEST: Connection.selftest,
    contract.ACTIVATE: Connection.activate,
    contract.CONFIRM: Connection.confirm,
    contract.ROLLBACK: Connection.rollback,
    contract.VERIFY: Connection.verify,
    contract.HOLD: Connection.hold,
    contract.REPORT: Connection.report,
    contract.TRUST: Connection.trust,
    contract.BENCH: Connection.bench,
    contract.PROFILE: Connection.profile,
    contract.JOB: Connection.job,
    contract.INVOKE: Connection.invoke,
    contract.OUTPUT: Connection.output,
    contract.SENSORS: Connection.sensors,
}
_CHANGES = (
    *(contract.BLOB_PUT, contract.STAGE, contract.ACTIVATE, contract.CONFIRM, contract.ROLLBACK, contract.TRUST),
    (smp.WRITE, smp.GROUP_OS, smp.OS_RESET),
)
"""What nobody may ask for while another connection holds the device."""
