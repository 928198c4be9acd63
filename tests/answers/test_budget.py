"""Budgets hold under concurrency, over processes and over kills."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_fapo.answers.budget import SpendLedger
from pytest_fapo.answers.spend_file import read_refusals, read_spending, starved
from pytest_fapo.core.errors import BudgetExceeded
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.trace import LLMCall, Usage
from pytest_fapo.loop.optimize_request import Budget

OPENAI = "https://api.openai.com/v1/chat/completions"


def a_call(*, tokens: int = 1000, model: str = "gpt-4o-mini", url: str = OPENAI, **more: object) -> LLMCall:
    """A finished call; 1000 input tokens of gpt-4o-mini cost $0.00015."""
    fields: dict[str, object] = {
        "key": "k",
        "api": "chat.completions",
        "url": url,
        "model": model,
        "status": 200,
    }
    fields["usage"] = Usage(input_tokens=tokens)
    return LLMCall.model_validate({**fields, **more})


def send(ledger: SpendLedger, call: LLMCall, seconds: float = 0.0) -> None:
    ledger.before_call(model=call.model, api=call.api)
    time.sleep(seconds)
    ledger.after_call(call)


def test_refusals_are_on_record_for_whoever_judges(path: Path) -> None:
    ledger = SpendLedger(path, max_calls=1)
    send(ledger, a_call())
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            send(ledger, a_call())
    with pytest.raises(BudgetExceeded):
        send(SpendLedger(path, max_calls=1, who="optimizer"), a_call())
    assert read_refusals(path) == ["LLM call not sent: the one call allowed by --fapo-max-calls is made"] * 2
    assert read_spending(path).calls == 1
    budget = Budget(path, max_calls=1)
    budget.check(Evaluation(), [])
    with pytest.raises(BudgetExceeded, match="the one call"):
        budget.check(Evaluation(), budget.refusals()[1:])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "spend.jsonl"


def hammer(ledger: SpendLedger, call: LLMCall, *, threads: int = 16, each: int = 5) -> tuple[int, list[str]]:
    """Send from many threads at once; how many went out, and the refusals' limits."""
    sent = 0
    refused: list[str] = []
    lock = threading.Lock()

    def work() -> None:
        nonlocal sent
        for _ in range(each):
            try:
                send(ledger, call, 0.002)
            except BudgetExceeded as stop:
                refused.append(stop.limit)
                return
            with lock:
                sent += 1

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work) for _ in range(threads)]:
            future.result()
    return sent, refused


def test_never_more_than_max_calls_are_sent_by_sixteen_threads(path: Path) -> None:
    ledger = SpendLedger(path, max_calls=23)
    sent, refused = hammer(ledger, a_call())
    assert sent == 23
    assert set(refused) == {"--fapo-max-calls"}
    assert ledger.spending().calls == 23


def test_the_cost_budget_is_used_and_not_passed_by_sixteen_threads(path: Path) -> None:
    ledger = SpendLedger(path, max_cost=0.003)  # room for 20 calls of $0.00015
    sent, refused = hammer(ledger, a_call())
    assert 19 <= sent <= 20
    assert set(refused) == {"--fapo-budget"}
    assert ledger.spending().cost <= 0.003 + 1e-9


def test_a_first_call_dearer_than_the_budget_goes_alone(path: Path) -> None:
    ledger = SpendLedger(path, max_cost=0.0001)
    sent, _ = hammer(ledger, a_call())
    assert sent == 1


def test_the_budget_holds_behind_a_gateway_whose_prices_are_unknown(path: Path) -> None:
    ledger = SpendLedger(path, max_cost=0.00032)
    sent, refused = hammer(ledger, a_call(url="http://127.0.0.1:4000/v1/chat/completions"))
    assert sent == 2
    assert refused
    assert ledger.spending().cost == 0.0
    assert ledger.spending().unpriced_models == ["gpt-4o-mini"]


def test_the_message_names_option_and_figures(path: Path) -> None:
    ledger = SpendLedger(path, max_calls=1)
    send(ledger, a_call())
    with pytest.raises(BudgetExceeded, match=r"the one call allowed by --fapo-max-calls is made"):
        ledger.before_call(model="m", api="messages")
    ledger = SpendLedger(path, max_cost=0.0002)
    with pytest.raises(BudgetExceeded, match=r"\$0\.0001\d* of \$0\.0002 \(--fapo-budget\) are spent"):
        ledger.before_call(model="gpt-4o-mini", api="chat.completions")


def test_a_deadline_in_the_past_stops_the_next_call(path: Path) -> None:
    ledger = SpendLedger(path, deadline=time.monotonic() - 1)
    with pytest.raises(BudgetExceeded, match="--fapo-time-limit") as stop:
        ledger.before_call(model="m", api="messages")
    assert stop.value.limit == "--fapo-time-limit"
    assert read_spending(path).calls == 0


def test_on_an_event_loop_the_ledger_never_blocks(path: Path) -> None:
    ledger = SpendLedger(path, max_cost=0.01)

    async def one() -> None:
        ledger.before_call(model="gpt-4o-mini", api="chat.completions")
        await asyncio.sleep(0.02)
        ledger.after_call(a_call())

    async def many() -> None:
        await asyncio.gather(*(one() for _ in range(16)))

    asyncio.run(asyncio.wait_for(many(), timeout=5))
    assert ledger.spending().calls == 16


def test_on_an_event_loop_a_caller_can_come_again_instead(path: Path) -> None:
    ledger = SpendLedger(path, max_cost=0.00047)  # room for three

    async def one() -> bool:
        try:
            while not ledger.admit(model="gpt-4o-mini", api="chat.completions"):
                await asyncio.sleep(0.005)
        except BudgetExceeded:
            return False
        await asyncio.sleep(0.01)
        ledger.after_call(a_call())
        return True

    async def many() -> list[bool]:
        return list(await asyncio.gather(*(one() for _ in range(16))))

    assert sum(asyncio.run(many())) == 3
    assert ledger.spending().cost <= 0.00047


def test_failed_requests_count_as_calls_and_cost_nothing(path: Path) -> None:
    ledger = SpendLedger(path)
    send(ledger, a_call(status=429, usage=Usage()))
    send(ledger, a_call(status=None, usage=Usage(), error="timeout"))
    assert ledger.spending().model_dump(exclude={"usage"}) == {
        "calls": 2,
        "cache_hits": 0,
        "cost": 0.0,
        "unpriced_models": [],
        "test_calls": 0,
        "test_cache_hits": 0,
        "test_cost": 0.0,
        "listed": 0.0,
    }


def test_totals_survive_a_kill_and_a_torn_line(path: Path) -> None:
    ledger = SpendLedger(path)
    send(ledger, a_call())
    ledger.after_call(a_call(cache_hit=True))
    ledger.before_call(model="gpt-4o-mini", api="chat.completions")  # never ends
    with path.open("ab") as file:
        file.write(b'{"event":"sent","id":"torn')
    again = SpendLedger(path, max_calls=3)
    send(again, a_call())
    with pytest.raises(BudgetExceeded):
        again.before_call(model="gpt-4o-mini", api="chat.completions")
    total = read_spending(path)
    assert (total.calls, total.cache_hits, total.usage.input_tokens) == (3, 1, 2000)
    assert total.cost == pytest.approx(0.0003)


def test_lines_say_who_called_and_for_which_case(path: Path) -> None:
    ledger = SpendLedger(path, who="optimizer", case_id=lambda: "t1")
    send(ledger, a_call(model="gpt-4o-mini-2024-07-18"))
    sent, done = (json.loads(line) for line in path.read_text().splitlines())
    assert (sent["who"], done["who"], done["case"], done["api"]) == (
        "optimizer",
        "optimizer",
        "t1",
        "chat.completions",
    )
    assert done["id"] == sent["id"]


def test_the_optimizers_share_can_be_told_apart(path: Path) -> None:
    for who, calls in (("pipeline", 3), ("optimizer", 1)):
        ledger = SpendLedger(path, who=who)  # type: ignore[arg-type]
        for _ in range(calls):
            send(ledger, a_call())
            ledger.after_call(a_call(cache_hit=True))
    mine = read_spending(path, who="optimizer")
    assert (mine.calls, mine.cache_hits) == (1, 1)
    assert mine.cost == pytest.approx(0.00015)
    assert (read_spending(path).calls, read_spending(path).cache_hits) == (4, 4)


def test_a_missing_file_means_nothing_spent(tmp_path: Path) -> None:
    assert read_spending(tmp_path / "none.jsonl").calls == 0


_WORKER = """
import sys
from pathlib import Path
from pytest_fapo.core.errors import BudgetExceeded
from pytest_fapo.answers.budget import SpendLedger

ledger = SpendLedger(Path(sys.argv[1]), max_calls=50)
sent = 0
try:
    while True:
        ledger.before_call(model="m", api="messages")
        sent += 1
except BudgetExceeded:
    print(sent)
"""


def test_processes_that_share_a_file_share_its_limits(path: Path) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", _WORKER, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    counts = [int(worker.communicate(timeout=30)[0]) for worker in workers]
    assert sum(counts) == 50
    assert read_spending(path).calls == 50


def test_waiting_without_an_answer_is_told_from_being_slow(tmp_path: Path) -> None:
    path = tmp_path / "spend.jsonl"

    def written(*lines: dict[str, object]) -> bool:
        entries = [{"who": "pipeline", "answered": False, **line} for line in lines]
        path.write_text("\n".join(json.dumps(entry) for entry in [*entries, {"event": "hit"}]) + '\n{"torn')
        return starved(path, begin=40.0, since=100.0)

    sent: dict[str, object] = {"event": "sent", "id": "1", "time": 50.0}
    done: dict[str, object] = {"event": "done", "id": "1", "time": 130.0}
    assert not starved(path, begin=40.0, since=100.0)
    assert written(sent)
    assert not written({**sent, "time": 30.0})
    assert written(sent, done)
    assert not written(sent, {**done, "answered": True})
    assert not written(sent, {**done, "time": 60.0})
    assert not written({**sent, "who": "optimizer"})
    assert not written(sent, {**sent, "id": "2"}, {**done, "answered": True})


def test_retry_after_holds_for_all_that_share_the_file(path: Path) -> None:
    one, other = SpendLedger(path), SpendLedger(path, who="optimizer")
    begin = time.time()
    one.put_off(OPENAI, 50)
    told = time.time()
    one.put_off(OPENAI, 20)
    until = other.put_off_until(OPENAI.replace("/chat/completions", "/responses"))
    assert begin + 50 <= until <= told + 50
    assert other.put_off_until("https://api.anthropic.com/v1/messages") == 0
    assert read_spending(path).calls == 0
