"""Whatever order reception, settling, working, dying, finishing and sending come in, the ledger keeps its promises."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from service.ledger import (
    Instance,
    Job,
    JobState,
    Kept,
    LeaseLost,
    Outcome,
    Outgoing,
    OutgoingState,
    Result,
    open_ledger,
)

_FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - thousands of commits that need no disk
LEASE = 30.0
STUDIES = st.sampled_from(["1.2.1", "1.2.2"])
OWNERS = st.sampled_from(["w1", "w2"])


def results_of(job: Job, count: int) -> tuple[Result, ...]:
    """The same ones each time that a job is done."""
    stem = f"2.25.{job.study_instance_uid.replace('.', '')}{job.generation}"
    common = {"destinations": ("pacs", "hub"), "key": "sr|study"}
    return tuple(Result(f"{stem}{number}", "1.2", "1.2", "sr", "r", "a" * 64, 1, **common) for number in range(count))


class LedgerMachine(RuleBasedStateMachine):
    """A model beside the ledger: what was acknowledged, and which results were finished."""

    template: Path
    jobs = Bundle("jobs")
    letters = Bundle("letters")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="nmus-machine-", dir=_FAST))
        shutil.copy(self.template, self.folder / "ledger.sqlite")
        self.ledger = open_ledger(self.folder)
        self.now = 1_000_000.0
        self.kept: dict[str, str] = {}
        self.conflicts: set[tuple[str, str]] = set()
        self.finished: dict[tuple[str, int], int] = {}
        self.made: set[str] = set()
        """Results that were finished, or handed over before that."""
        self.sent: set[str] = set()

    @initialize()
    def begin(self) -> None:
        """Start with one image, so that something happens soon."""
        self.receive("1.2.1", 1, 0)

    @rule(study=STUDIES, number=st.integers(1, 6), version=st.integers(0, 1))
    def receive(self, study: str, number: int, version: int) -> None:
        """An object comes, perhaps again, perhaps with other bytes."""
        uid, digest = f"{study}.{number}", f"{version:064x}"
        said = self.ledger.keep(
            Instance(uid, "1.2", study, f"{study}.9", "1.2.840.10008.1.2", digest, f"a/{uid}", 1, self.now, "US")
        )
        if uid not in self.kept:
            assert said is Kept.NEW
            self.kept[uid] = digest
        elif self.kept[uid] == digest or (uid, digest) in self.conflicts:
            assert said is Kept.DUPLICATE
        else:
            assert said is Kept.CONFLICT
            self.conflicts.add((uid, digest))

    @rule(seconds=st.sampled_from([0.5, 10.0, 40.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def settle(self) -> None:
        """Every open study settles."""
        for study in self.ledger.open_studies():
            assert self.ledger.settle(study, self.now) is not None

    @rule(study=STUDIES)
    def rerun(self, study: str) -> None:
        """Somebody asks for a rerun."""
        known = any(uid.startswith(f"{study}.") for uid in self.kept)
        assert (self.ledger.rerun(study, self.now) is not None) is known

    @rule(target=jobs, owner=OWNERS)
    def claim(self, owner: str) -> Job:
        """A worker claims."""
        job = self.ledger.claim(self.now, owner, LEASE, maximum_claims=4)
        if job is None:
            return multiple()
        running = [
            one for one in self.ledger.jobs(JobState.RUNNING) if one.study_instance_uid == job.study_instance_uid
        ]
        assert len(running) == 1, "two jobs of one study at once"
        return job

    @rule(job=jobs)
    def renew(self, job: Job) -> None:
        """A worker says that it lives."""
        held = self.ledger.renew(job, self.now, LEASE)
        stands = self.ledger.job(job.id)
        assert stands is not None
        assert held is (stands.state is JobState.RUNNING and stands.attempt == job.attempt)

    @rule(job=consumes(jobs), results=st.integers(0, 3))
    def finish(self, job: Job, results: int) -> None:
        """A worker brings its results, perhaps too late."""
        made = results_of(job, results)
        stands = self.ledger.job(job.id)
        assert stands is not None
        fresh = stands.state is JobState.RUNNING and stands.attempt == job.attempt
        if fresh:
            self.ledger.finish(job, Outcome(made), self.now)
            assert (job.study_instance_uid, job.generation) not in self.finished
            self.finished[job.study_instance_uid, job.generation] = results
            self.made |= {one.sop_instance_uid for one in made}
        else:
            with pytest.raises(LeaseLost):
                self.ledger.finish(job, Outcome(made), self.now)

    @rule(job=jobs, results=st.integers(1, 2))
    def hand_over(self, job: Job, results: int) -> None:
        """A worker lets go out what is whole already, perhaps too late."""
        stands = self.ledger.job(job.id)
        assert stands is not None
        made = results_of(job, results)
        if stands.state is JobState.RUNNING and stands.attempt == job.attempt:
            self.ledger.hand_over(job, made, self.now)
            self.made |= {one.sop_instance_uid for one in made}
            assert self.ledger.job(job.id) == stands
        else:
            with pytest.raises(LeaseLost):
                self.ledger.hand_over(job, made, self.now)

    @rule(job=consumes(jobs), again=st.booleans())
    def fail(self, job: Job, again: bool) -> None:
        """An attempt ends badly."""
        try:
            self.ledger.fail(job, "reason", self.now, retry_at=self.now + 5 if again else None)
        except LeaseLost:
            stands = self.ledger.job(job.id)
            assert stands is not None
            assert stands.state is not JobState.RUNNING or stands.attempt != job.attempt

    @rule(owner=OWNERS)
    def die(self, owner: str) -> None:
        """A process is killed and its jobs are taken back."""
        self.ledger.take_back(owner.__eq__, self.now)

    @rule(target=letters, destination=st.sampled_from(["pacs", "hub"]))
    def claim_outgoing(self, destination: str) -> Outgoing:
        """A sender claims."""
        claimed = self.ledger.claim_outgoing(destination, self.now, "s", LEASE, limit=2)
        assert not {f"{one.destination} {one.sop_instance_uid}" for one in claimed} & self.sent
        return multiple(*claimed)

    @rule(letter=consumes(letters), fate=st.sampled_from(["sent", "later", "held", "killed"]))
    def answer(self, letter: Outgoing, fate: str) -> None:
        """The destination answers, or the sender dies."""
        if fate == "sent" and self.ledger.sent(letter, self.now):
            self.sent.add(f"{letter.destination} {letter.sop_instance_uid}")
        elif fate == "later":
            self.ledger.postpone(letter, self.now, self.now + 5, "busy")
        elif fate == "held":
            self.ledger.hold(letter, self.now, "refused")

    @rule()
    def redrive(self) -> None:
        """Somebody re-drives the dead letters."""
        held = len([one for one in self.ledger.outgoing() if one.state is OutgoingState.HELD])
        assert self.ledger.redrive(self.now) == held

    @rule()
    def restart(self) -> None:
        """Everything is killed and opened again."""
        self.ledger.close()
        self.ledger = open_ledger(self.folder)

    @invariant()
    def nothing_acknowledged_is_missing(self) -> None:
        """Every object that was kept is there, once, in its study."""
        for study in ("1.2.1", "1.2.2"):
            there = {one.sop_instance_uid: one.sha256 for one in self.ledger.instances(study)}
            assert there == {uid: digest for uid, digest in self.kept.items() if uid.startswith(f"{study}.")}
        assert self.ledger.status().conflicts == len(self.conflicts)

    @invariant()
    def every_object_is_in_a_job_or_waits_for_one(self) -> None:
        """What no generation holds yet lies in a study that is open."""
        open_now = {one.study_instance_uid for one in self.ledger.open_studies()}
        for study in ("1.2.1", "1.2.2"):
            everything = self.ledger.instances(study)
            if len(self.ledger.instances(study, 10**6)) < len(everything):
                assert study in open_now

    @invariant()
    def done_means_results_and_outbox(self) -> None:
        """Each result that was made is in the outbox of each destination exactly once, and nothing else is."""
        rows = self.ledger.outgoing()
        assert len(rows) == 2 * len(self.made) == len({(row.destination, row.sop_instance_uid) for row in rows})
        sent = {f"{row.destination} {row.sop_instance_uid}" for row in rows if row.state is OutgoingState.SENT}
        assert sent == self.sent
        assert self.ledger.status().jobs["done"] == len(self.finished)

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)


def test_the_ledger_keeps_its_promises_in_any_order(empty_ledger: Path) -> None:
    machine = type("Machine", (LedgerMachine,), {"template": empty_ledger})
    limits = settings(max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    machine.TestCase.settings = limits
    case = machine.TestCase()
    case.settings = limits
    case.runTest()
