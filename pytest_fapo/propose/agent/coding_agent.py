"""The proposer that runs a coding agent on a copy of the project and takes its diff as the candidate.

The task, the train cases and the diagnosis are written into the copy before the program starts.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pytest_fapo.answers.prompts import PromptMarks, load_prompts, one_prompt_line
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.candidate import Candidate, Edit, Review
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import ArtifactError, ConfigError
from pytest_fapo.core.evidence import Evidence, EvidenceCase, Repair
from pytest_fapo.core.record import canonical_json, text_digest
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.text import one_line
from pytest_fapo.propose.agent.agent_copy import HiddenCases, agent_folder, copy_project
from pytest_fapo.propose.agent.agent_process import (
    AgentExit,
    find_program,
    make_access,
    make_environment,
    run_agent,
)
from pytest_fapo.propose.agent.agent_result import FOLDER, AgentMemo, AgentResult, read_changes, read_plain
from pytest_fapo.propose.model import evidence_text
from pytest_fapo.propose.proposer import ProposalFailed, ProposerDefaults
from pytest_fapo.shadow.inside.landlock import landlock_version
from pytest_fapo.source.artifact_store import ArtifactStore

REASON = f"{FOLDER}/hypothesis.txt"

PROMPT = f"Read {FOLDER}/TASK.md and do what it says."

_MEMORY_CHARS = 12_000

_WAYS = {
    "prompt": "Edit the prompts named below, nothing else.",
    "param": "Edit the parameters and prompts named below, nothing else.",
    "structure": "Edit the functions, parameters and prompts named below; their files may get new functions.",
}

_TASK_MARKS = frozenset({"way", "reason", "folder", "cluster", "artifacts", "memory"})


def write_brief(
    folder: Path,
    evidence: Evidence,
    *,
    withheld: Sequence[str],
    more: str,
    redact: Callable[[str], str],
) -> None:
    """Write the evidence folder.

    Args:
        folder: the copy of the project.
        evidence: train cases only.
        withheld: files that are not in the copy.
        more: a further section of the task, for a revision or a repair.
        redact: takes out what must not leave the machine.
    """
    target = folder / FOLDER
    (target / "traces").mkdir(parents=True)
    (target / ".gitignore").write_text("*\n", encoding="utf-8")
    templates = load_prompts(Path(__file__).parent / "prompts", {"task": PromptMarks(_TASK_MARKS)})
    task = templates.fill(
        "task",
        way=_WAYS[evidence.level],
        reason=REASON,
        folder=FOLDER,
        cluster=evidence_text.render_cluster(evidence),
        artifacts=_editable(evidence),
        memory=evidence_text.render_memory(evidence.memory, _MEMORY_CHARS),
    )
    if withheld:
        task += "\n\n# Not in this copy\n\n" + "".join(f"- {one_prompt_line(path)}\n" for path in withheld)
    texts = {"TASK.md": f"{task}\n\n{more}" if more else task}
    texts["diagnosis.json"] = json.dumps(_diagnosis(evidence), indent=1, ensure_ascii=False)
    items = [item for item in evidence.cases if item.case.split == "train"]
    texts["cases.jsonl"] = "".join(
        json.dumps(_case(item, number), ensure_ascii=False) + "\n" for number, item in enumerate(items)
    )
    for number, item in enumerate(items):
        if item.trace is not None:
            texts[f"traces/{number}.json"] = item.trace.model_dump_json(indent=1, exclude_defaults=True)
    for name, text in texts.items():
        (target / name).write_text(redact(text), encoding="utf-8")


def _editable(evidence: Evidence) -> str:
    linked = {address for each in [evidence.cluster, *evidence.together] for address in each.artifacts}
    lines = []
    for artifact in evidence.artifacts:
        domain = f"(allowed: {artifact.domain})" if artifact.domain is not None else ""
        use = ", used by the failing step" if artifact.address in linked else ""
        lines.append(
            f"- `{one_prompt_line(artifact.address)}`: "
            f"{f'{artifact.kind} {one_prompt_line(domain)}'.strip()}{use}"
        )
    if evidence.creatable:
        lines.append(
            f"- new prompt files: {', '.join(f'`{one_prompt_line(each)}`' for each in evidence.creatable)}"
        )
    if evidence.escalation:
        lines.append(f"\nWhy more than prompts: {one_prompt_line(evidence.escalation)}")
    return "\n".join(lines) or "(nothing)"


def _diagnosis(evidence: Evidence) -> object:
    train = {item.nodeid for item in evidence.cases if item.case.split == "train"}
    clusters = [evidence.cluster, *evidence.together]
    return [
        cluster.model_copy(
            update={"findings": [finding for finding in cluster.findings if finding.nodeid in train]}
        ).model_dump(mode="json", exclude_defaults=True)
        for cluster in clusters
    ]


def _case(item: EvidenceCase, number: int) -> dict[str, object]:
    trace = f"traces/{number}.json" if item.trace is not None else None
    return {
        "test": item.nodeid,
        "passed": item.passed,
        "inputs": item.case.inputs,
        "expected": item.case.expected,
        "expected_steps": item.case.expected_steps,
        "explanation": item.explanation,
        "feedback": item.feedback,
        "trace": trace,
    }


TECHNIQUE = "coding-agent"

_NAME_CHARS = 60

_REASON_CHARS = 300

_BROKEN_CHARS = 12_000


class CodingAgentProposer(ProposerDefaults):
    """Runs a program for each candidate.

    Args:
        spec: `command:<program and arguments>`, as in the setting `optimizer`. `{prompt}` in an argument
            becomes the prompt; else it is the last argument.
        settings: `[tool.fapo]`: the scope, `command`, `redact`.
        root: the project, of which the program sees a copy only.
        memo: folder that keeps what the runs came to; None for none.
    """

    def __init__(self, spec: str, *, settings: Settings, root: Path, memo: Path | None = None) -> None:
        self._spec = spec
        self._memo = AgentMemo(memo) if memo is not None else None
        self._settings = settings
        self._root = root
        self._cases: Sequence[Case] | None = None
        self._redact: Callable[[str], str] = Redactor.of(settings)

    @property
    def name(self) -> str:
        """As in the setting `optimizer`, shortened."""
        return one_line(self._spec, most=_NAME_CHARS)

    def check(self) -> None:
        """See `Proposer.check`."""
        command = self._command()
        if find_program(command[0], self._root) is None:
            raise ConfigError(
                f"optimizer {self.name!r}: there is no program {command[0]!r}; install it, give its path, "
                f"or take the entry out of tool.fapo.optimizer"
            )
        if self._settings.command.isolated and not landlock_version():
            raise ConfigError(
                f"optimizer {self.name!r}: this system ({sys.platform}) offers no way to lock a program out "
                f"of the project (Linux 5.13 or later with Landlock does); set isolated = false in "
                f"[tool.fapo.command] to run it on trust"
            )

    def begin(self, cases: Sequence[Case]) -> None:
        """See `ProposerDefaults.begin`."""
        self._cases = list(cases)

    def propose(self, evidence: Evidence) -> Iterator[Candidate]:
        """See `Proposer.propose`. One candidate each time."""
        candidate = self._run(evidence)
        if any(attempt.covers(candidate) for attempt in evidence.memory):
            message = f"{self.name} proposed again what was tried before"
            raise ProposalFailed(message, proposer=self.name, repeated=True)
        yield candidate

    def revise(self, candidate: Candidate, review: Review, evidence: Evidence) -> Candidate | None:
        """See `Proposer.revise`. The program finds its blocked change in the copy."""
        problems = evidence_text.render_problems(review, candidate)
        more = f"# A review has blocked the change that is in this copy\n\n{problems}\n\nFix that.\n"
        return self._again(candidate, more, evidence)

    def repair(self, repair: Repair, evidence: Evidence) -> Candidate | None:
        """See `ProposerDefaults.repair`. The program finds its winning change in the copy."""
        broken = evidence_text.render_repair(repair, evidence, _BROKEN_CHARS)
        more = (
            "# The change that is in this copy wins, but breaks something\n\n"
            f"{broken}\n\nKeep what it fixes and leave right what was right.\n"
        )
        return self._again(repair.candidate, more, evidence)

    def _again(self, candidate: Candidate, more: str, evidence: Evidence) -> Candidate | None:
        better = self._run(evidence, start=candidate.edits, more=more)
        return None if better.edits_digest == candidate.edits_digest else better

    def _run(self, evidence: Evidence, start: Sequence[Edit] = (), more: str = "") -> Candidate:
        edits = [edit.model_dump() for edit in start]
        asked = text_digest(canonical_json([self._spec, evidence.model_dump(mode="json"), edits, more]))
        result = self._memo.get(asked) if self._memo is not None else None
        if result is None:
            result = self._asked(evidence, start, more)
            if self._memo is not None:
                self._memo.keep(asked, result)
        return self._candidate(result, evidence)

    def _asked(self, evidence: Evidence, start: Sequence[Edit], more: str) -> AgentResult:
        if self._cases is None:
            raise ProposalFailed(
                f"{self.name} was not told which cases it must not see", proposer=self.name, again=False
            )
        store = self._parent(evidence)
        with agent_folder() as own:
            folder = own / "project"
            folder.mkdir()
            paths = sorted({artifact.path for artifact in evidence.artifacts})
            secrecy = HiddenCases(self._cases, paths, self._settings.is_record)
            copied = copy_project(self._root, folder, store.files, secrecy)
            if start:
                _write_files(folder, store.render(start))
            write_brief(folder, evidence, withheld=copied.withheld, more=more, redact=self._redact)
            self._judge(self._started(own, folder))
            result = read_changes(folder, copied.files, store, evidence)
            said = (read_plain(folder, REASON, 10_000) or b"").decode("utf-8", errors="replace")
            result.reason = one_prompt_line(self._redact(said), _REASON_CHARS)
        return result

    def _parent(self, evidence: Evidence) -> ArtifactStore:
        """Return the artifacts as of the parent: the project with the texts that the evidence shows."""
        store = ArtifactStore(self._root, self._settings.scope)
        sources = {
            path: text.encode()
            for path, text in evidence.sources.items()
            if not _holds_text(self._root / path, text)
        }
        store = store.with_files(sources)
        edits = []
        try:
            for artifact in evidence.artifacts:
                before = _text_at(store, artifact.address)
                if before != artifact.text:
                    edits.append(Edit(address=artifact.address, before=before, after=artifact.text))
            return store.with_files(store.render(edits))
        except ArtifactError as error:
            raise ProposalFailed(f"{self.name}: {error}", proposer=self.name) from None

    def _command(self) -> list[str]:
        text = self._spec.partition(":")[2].strip()
        try:
            command = shlex.split(text)
        except ValueError as error:
            raise ConfigError(f"tool.fapo.optimizer: {self._spec!r}: {error}") from None
        if not command:
            raise ConfigError(f"tool.fapo.optimizer: {self._spec!r} names no program")
        return command

    def _started(self, own: Path, folder: Path) -> AgentExit:
        program, *arguments = self._command()
        executable = find_program(program, self._root) or program
        if any("{prompt}" in each for each in arguments):
            arguments = [each.replace("{prompt}", PROMPT) for each in arguments]
        else:
            arguments = [*arguments, PROMPT]
        settings = self._settings.command
        access = None
        if settings.isolated:
            access = make_access(self._root, own, executable, arguments, home="HOME" in settings.env)
        return run_agent(
            [executable, *arguments],
            folder=folder,
            environment=make_environment(executable, settings.env, own),
            access=access,
            seconds=settings.time_limit,
        )

    def _judge(self, ended: AgentExit) -> None:
        """Raise where the program did not do its work."""
        if not ended.confined:
            message = f"{self.name}: this system offers no way to lock the program out of the project"
            raise ProposalFailed(message, proposer=self.name, again=False)
        if ended.late:
            limit = self._settings.command.time_limit
            message = f"{self.name} was ended after {limit:g} s (tool.fapo.command.time_limit)"
            raise ProposalFailed(message, proposer=self.name)
        if ended.code != 0:
            last = (
                one_prompt_line(self._redact(ended.output[-1]), _REASON_CHARS)
                if ended.output
                else "it said nothing"
            )
            message = f"{self.name} ended with exit code {ended.code}: {last}"
            raise ProposalFailed(message, proposer=self.name)

    def _candidate(self, result: AgentResult, evidence: Evidence) -> Candidate:
        dropped = (
            f" (left out: {one_prompt_line('; '.join(result.dropped), _REASON_CHARS)})"
            if result.dropped
            else ""
        )
        if not result.edits:
            message = f"{self.name} changed nothing that may be edited{dropped}"
            raise ProposalFailed(message, proposer=self.name)
        return evidence.candidate(
            result.edits,
            proposer=self.name,
            technique=f"joint-{TECHNIQUE}" if evidence.together and len(result.edits) > 1 else TECHNIQUE,
            hypothesis=f"{result.reason or 'The coding agent gave no reason.'}{dropped}",
            level=result.level,
            targets=[item.nodeid for item in evidence.failing() if item.case.split == "train"],
        )


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _text_at(store: ArtifactStore, address: str) -> str:
    """Return an artifact's text; empty where it does not exist."""
    try:
        return store.get(address).text
    except ArtifactError:
        return ""


def _holds_text(path: Path, text: str) -> bool:
    try:
        return path.read_bytes().decode("utf-8", errors="replace") == text
    except OSError:
        return False
