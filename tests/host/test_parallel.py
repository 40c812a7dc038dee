"""Many at once: bounded, in order, every failure a row, Ctrl-C in two steps, nothing waits for the one that hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from edgeq.errors import EdgeqError, LinkError, LinkTimeout
from edgeq.host.parallel import DONE, EVERYTHING, FAILED, STOPPED, WAITING, for_each

Progress = Callable[[str], None]


def test_outcomes_are_in_the_order_of_the_items_and_hold_every_failure() -> None:
    def action(item: int, _progress: Progress) -> int:
        time.sleep(0.02 * (4 - item))
        if item == 1:
            raise LinkError("gone", "plug it in")
        if item == 2:
            raise ZeroDivisionError("a mistake")
        return item * 10

    outcomes = for_each(range(4), action)
    assert [outcome.state for outcome in outcomes] == [DONE, FAILED, FAILED, DONE]
    assert [outcome.result for outcome in outcomes] == [0, None, None, 30]
    first, second = outcomes[1].error, outcomes[2].error
    assert isinstance(first, LinkError) and first.hint == "plug it in"
    assert type(second) is EdgeqError and second.message == "ZeroDivisionError: a mistake"
    assert isinstance(second.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_than_jobs_are_at_work(jobs: int) -> None:
    lock, now, most, full = threading.Lock(), 0, 0, threading.Event()

    def action(_item: int, _progress: Progress) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if most == jobs:
                full.set()
        assert full.wait(30)
        time.sleep(0.02)
        with lock:
            now -= 1

    assert all(outcome.state == DONE for outcome in for_each(range(10), action, jobs=jobs))
    assert most == jobs


def test_the_watch_hears_of_everything() -> None:
    heard: list[tuple[int, str, str]] = []
    for_each(
        ["a"],
        lambda item, progress: progress(f"at {item}"),
        watch=lambda index, state, note: heard.append((index, state, note)),
    )
    assert heard == [(0, "working", ""), (0, "working", "at a"), (0, DONE, "")]


def test_what_hangs_is_left_behind_and_its_place_is_used() -> None:
    hanging, notes = threading.Event(), list[str]()

    def action(item: int, progress: Progress) -> int:
        if item == 0:
            hanging.wait(60)
            progress("too late")  # unwinds: nobody listens any more
            notes.append("went on")
        return item

    outcomes = for_each(range(3), action, jobs=1, deadline_s=0.3)
    assert [outcome.state for outcome in outcomes] == [FAILED, DONE, DONE]
    assert isinstance(outcomes[0].error, LinkTimeout) and outcomes[0].seconds < 30
    hanging.set()
    time.sleep(0.1)
    assert notes == []


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_interrupt_finishes_what_is_under_way_and_begins_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)  # ignored, where a shell runs the tests in the background
    both, told = threading.Barrier(2), threading.Event()

    def action(item: int, progress: Progress) -> int:
        if both.wait(30) == 0:
            press()
        assert told.wait(30)
        progress("on")
        return item

    def watch(index: int, _state: str, _note: str) -> None:
        if index == EVERYTHING:
            told.set()

    outcomes = for_each(range(4), action, jobs=2, watch=watch)
    assert [outcome.state for outcome in outcomes] == [DONE, DONE, WAITING, WAITING]
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_interrupt_stops_at_the_next_progress() -> None:
    unwound = threading.Event()

    def action(_item: int, progress: Progress) -> None:
        press()
        try:
            for _ in range(600):
                time.sleep(0.05)
                progress("on")
        except BaseException:
            unwound.set()
            raise

    def watch(index: int, _state: str, _note: str) -> None:
        if index == EVERYTHING:  # It has heard of the first.
            press()

    outcomes = for_each(range(3), action, jobs=1, watch=watch)
    assert [outcome.state for outcome in outcomes] == [STOPPED, WAITING, WAITING]
    assert unwound.wait(30)


def test_programs_that_work_starts_do_not_see_the_terminal_s_interrupt() -> None:
    """As in a terminal: the signal goes to the whole group of processes."""
    script = (
        "import subprocess, sys\n"
        "from edgeq.host.parallel import for_each\n"
        "def action(item, progress):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(1)'],"
        " stdout=subprocess.PIPE)\n"
        "    child.stdout.readline(); print('up', flush=True)\n"
        "    return child.wait()\n"
        "print([outcome.result for outcome in for_each([0], action)])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout and process.stdout.readline() == "up\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "[0]\n"


def test_outside_the_main_thread_it_works_too() -> None:
    outcomes: list[object] = []
    thread = threading.Thread(target=lambda: outcomes.extend(for_each([1], lambda item, _: item)))
    thread.start()
    thread.join(30)
    assert len(outcomes) == 1
