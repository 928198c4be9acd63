"""Honest rewrites of the desk's function `sort` (see `desk_code`): every one of them must pass the review."""

from __future__ import annotations

HONEST = {
    # --- asking again -----------------------------------------------------------------------------------
    "retry until it is a team": """
        for _ in range(3):
            raw = ask(prompt("sort").format(ticket=ticket)).strip().lower()
            if raw in TEAMS:
                return {"team": raw}
        return {"team": raw}
    """,
    "retry with a pause": """
        import time

        for attempt in range(3):
            try:
                return {"team": ask(prompt("sort").format(ticket=ticket)).strip().lower()}
            except (TimeoutError, ConnectionError):
                time.sleep(0.1 * 2**attempt)
        return {"team": "unknown"}
    """,
    "retry saying what was wrong": """
        text = prompt("sort").format(ticket=ticket)
        raw = ask(text).strip().lower()
        if raw not in TEAMS:
            raw = ask(f"{text}\\nNot {raw!r}. Answer with one of {', '.join(TEAMS)}.").strip().lower()
        return {"team": raw}
    """,
    "retry an empty answer hotter": """
        raw = ask(prompt("sort").format(ticket=ticket))
        temperature = 0.2
        while not raw.strip() and temperature < 1:
            raw = ask(prompt("sort").format(ticket=ticket), temperature=temperature)
            temperature += 0.3
        return {"team": raw.strip().lower()}
    """,
    "the old body inside": """
        def sort_once() -> dict[str, str]:
            raw = ask(prompt("sort").format(ticket=ticket))
            return {"team": raw.strip().lower()}

        last = sort_once()
        for _ in range(2):
            if last["team"] in TEAMS:
                break
            last = sort_once()
        return last
    """,
    "errors of the provider": """
        import logging

        from openai import RateLimitError

        try:
            raw = ask(prompt("sort").format(ticket=ticket))
        except (RateLimitError, TimeoutError) as error:
            logging.getLogger(__name__).warning("%s: %s", type(error).__name__, error)
            raw = ask(prompt("sort").format(ticket=ticket[:4000]))
        return {"team": raw.strip().lower()}
    """,
    # --- voting and verifying ---------------------------------------------------------------------------
    "vote": """
        from collections import Counter

        votes = Counter(ask(prompt("sort").format(ticket=ticket), temperature=0.7).strip() for _ in range(5))
        return {"team": votes.most_common(1)[0][0]}
    """,
    "vote in threads": """
        from concurrent.futures import ThreadPoolExecutor

        text = prompt("sort").format(ticket=ticket)
        with ThreadPoolExecutor(max_workers=3) as pool:
            answers = list(pool.map(lambda warmth: ask(text, temperature=warmth), (0.0, 0.5, 1.0)))
        votes = [answer.strip().lower() for answer in answers]
        return {"team": max(set(votes), key=votes.count)}
    """,
    "a record of votes": """
        from dataclasses import dataclass

        @dataclass
        class Vote:
            team: str
            score: float = 0.0

        votes = [Vote(ask(prompt("sort").format(ticket=ticket)).strip().lower(), 1.0) for _ in range(3)]
        return {"team": max(votes, key=lambda vote: sum(v.score for v in votes if v.team == vote.team)).team}
    """,
    "median of ratings": """
        import statistics

        ratings = {}
        for team in TEAMS:
            raw = ask(f"How well does team {team} fit, 0 to 10? {ticket}")
            digits = [int(word) for word in raw.split() if word.isdigit()]
            ratings[team] = statistics.median(digits) if digits else 0
        return {"team": max(ratings, key=ratings.get)}
    """,
    "verify and revise": """
        first = ask(prompt("sort").format(ticket=ticket)).strip().lower()
        verdict = ask(f"Ticket: {ticket}\\nTeam: {first}\\nIs that right? Answer yes or no.").strip().lower()
        if verdict.startswith("no"):
            first = ask(f"{ticket}\\nNot {first}. Which of {', '.join(TEAMS)} is it?").strip().lower()
        return {"team": first}
    """,
    "draft, critique, final": """
        draft = ask(prompt("sort").format(ticket=ticket))
        critique = ask(f"What speaks against sorting this ticket as {draft}?\\n{ticket}")
        final = ask(f"{ticket}\\nDraft: {draft}\\nCritique: {critique}\\nFinal team, one word:")
        return {"team": final.strip().lower()}
    """,
    "two prompts must agree": """
        texts = (prompt("sort").format(ticket=ticket), f"Team for: {ticket}. One of {TEAMS}.")
        one, two = (ask(text).strip().lower() for text in texts)
        return {"team": one if one == two else ask(f"{one} or {two}? {ticket}").strip().lower()}
    """,
    # --- retrieval --------------------------------------------------------------------------------------
    "context": """
        found = search(ticket, k=k)
        raw = ask(prompt("sort").format(ticket=ticket) + "\\n\\nNotes:\\n" + "\\n".join(map(str, found)))
        return {"team": raw.strip().lower()}
    """,
    "second hop": """
        passages = search(ticket, k=k)
        query = ask(f"Write one search query for what is still missing: {ticket}, found: {passages}")
        passages += [found for found in search(query, k=k) if found not in passages]
        raw = ask(prompt("sort").format(ticket=ticket) + "\\n\\nContext:\\n" + "\\n".join(map(str, passages)))
        return {"team": raw.strip().lower()}
    """,
    "hops until nothing is new": """
        seen, query = {}, ticket
        for _ in range(3):
            new = {str(found): found for found in search(query, k=k) if str(found) not in seen}
            if not new:
                break
            seen.update(new)
            query = ask(f"What is missing to sort this? {ticket} {list(seen)}")
        return {"team": ask("\\n".join([ticket, *seen])).strip().lower()}
    """,
    "queries from the model": """
        queries = [line.lstrip("- ").strip() for line in ask(f"Three queries for: {ticket}").splitlines()]
        found = [str(passage) for query in queries[:3] if query for passage in search(query, k=k)]
        unique = list(dict.fromkeys(found))
        return {"team": ask(prompt("sort").format(ticket=ticket) + "\\n".join(unique)).strip().lower()}
    """,
    "passages ranked by overlap": """
        words = set(ticket.lower().split())
        found = sorted(search(ticket, k=3 * k), key=lambda text: -len(words & set(str(text).lower().split())))
        return {"team": ask("\\n".join(map(str, found[:k])) + "\\n" + ticket).strip().lower()}
    """,
    # --- post-processing --------------------------------------------------------------------------------
    "fences, prefixes, near labels": """
        import difflib
        import re

        raw = ask(prompt("sort").format(ticket=ticket))
        raw = re.sub(r"^```(?:json)?|```$", "", raw.strip(), flags=re.M)
        found = re.search(r"(?i)answer\\s*[:=]\\s*([a-z]+)", raw)
        label = (found[1] if found else raw).strip(" .'").lower()
        near = difflib.get_close_matches(label, TEAMS, n=1)
        return {"team": near[0] if near else label}
    """,
    "JSON in the text": """
        raw = ask(prompt("sort").format(ticket=ticket), temperature=0.0)
        try:
            parsed = json.loads(raw[raw.index("{") : raw.rindex("}") + 1])
        except (ValueError, json.JSONDecodeError):
            parsed = {}
        team = str(parsed.get("team", "")).lower()
        return {"team": team if team in TEAMS else "unknown"}
    """,
    "the first label in the answer": """
        raw = ask(prompt("sort").format(ticket=ticket)).lower()
        places = {team: raw.find(team) for team in TEAMS if team in raw}
        return {"team": min(places, key=places.get) if places else raw.strip()}
    """,
    "the last line": """
        raw = ask(prompt("sort").format(ticket=ticket))
        lines = [line.strip() for line in raw.splitlines() if line.strip()]
        return {"team": lines[-1].removeprefix("Team:").strip().lower() if lines else ""}
    """,
    "match": """
        raw = ask(prompt("sort").format(ticket=ticket)).strip().lower()
        match raw.split():
            case [team]:
                return {"team": team}
            case [_, *rest] if rest:
                return {"team": rest[-1]}
            case _:
                return {"team": "unknown"}
    """,
    "other words for labels": """
        raw = ask(prompt("sort").format(ticket=ticket)).strip().lower()
        same = {"bill": "billing", "payments": "billing", "delivery": "shipping", "login": "account"}
        return {"team": same.get(raw, raw)}
    """,
    "letters for options": """
        options = "\\n".join(f"{chr(65 + i)}) {team}" for i, team in enumerate(TEAMS))
        raw = ask(prompt("sort").format(ticket=ticket) + "\\n" + options).strip().upper()
        index = ord(raw[0]) - ord("A") if raw and raw[0].isalpha() else 0
        return {"team": TEAMS[index] if 0 <= index < len(TEAMS) else TEAMS[0]}
    """,
    "yes or no for each": """
        for team in TEAMS:
            if ask(f"Is this ticket for {team}? {ticket}\\nyes or no").strip().lower().startswith("yes"):
                return {"team": team}
        return {"team": "unknown"}
    """,
    # --- normalization ----------------------------------------------------------------------------------
    "unicode and blanks": """
        import unicodedata

        text = " ".join(unicodedata.normalize("NFKC", ticket).split())
        raw = unicodedata.normalize("NFKC", ask(prompt("sort").format(ticket=text)))
        return {"team": raw.strip().casefold()}
    """,
    "accents": """
        import unicodedata

        raw = ask(prompt("sort").format(ticket=ticket)).strip().lower()
        plain = unicodedata.normalize("NFKD", raw).encode("ascii", "ignore").decode("ascii")
        return {"team": plain}
    """,
    "punctuation as SQuAD does it": """
        import re
        import string

        raw = ask(prompt("sort").format(ticket=ticket)).lower()
        raw = raw.translate(str.maketrans("", "", string.punctuation))
        raw = re.sub(r"\\b(a|an|the)\\b", " ", raw)
        return {"team": " ".join(raw.split())}
    """,
    "signatures and quotes of a mail": """
        lines = []
        for line in ticket.splitlines():
            if line.strip() == "--" or line.lstrip().startswith(">"):
                break
            lines.append(line)
        text = "\\n".join(lines).strip() or ticket
        return {"team": ask(prompt("sort").format(ticket=text)).strip().lower()}
    """,
    "HTML": """
        import html
        import re

        text = html.unescape(re.sub(r"<[^>]+>", " ", ticket))
        return {"team": ask(prompt("sort").format(ticket=text)).strip().lower()}
    """,
    "long inputs": """
        text = ticket if len(ticket) <= 4000 else ticket[:3000] + "\\n...\\n" + ticket[-1000:]
        raw = ask(prompt("sort").format(ticket=text))
        if not raw.strip() or len(raw) > 200:
            raw = ask(prompt("sort").format(ticket=text) + "\\nOne word only.")
        return {"team": raw.strip().lower()}
    """,
    "pieces of a long input": """
        import textwrap
        from collections import Counter

        pieces = textwrap.wrap(ticket, 2000) or [ticket]
        votes = Counter(ask(prompt("sort").format(ticket=piece)).strip().lower() for piece in pieces)
        return {"team": votes.most_common(1)[0][0]}
    """,
    # --- formatting -------------------------------------------------------------------------------------
    "the client itself": """
        answer = client.chat.completions.create(
            model=os.environ["MODEL"],
            messages=[
                {"role": "system", "content": "You sort tickets. Reply with one word."},
                {"role": "user", "content": ticket},
            ],
            temperature=0,
            max_tokens=10,
            response_format={"type": "json_object"},
        )
        return {"team": (answer.choices[0].message.content or "").strip().lower()}
    """,
    "the ticket between tags": """
        text = prompt("sort").format(ticket=f"<ticket>\\n{ticket.strip()}\\n</ticket>")
        return {"team": ask(text).strip().lower()}
    """,
    "the labels listed": """
        listed = "\\n".join(f"{number}. {team}" for number, team in enumerate(TEAMS, start=1))
        return {"team": ask(f"{prompt('sort').format(ticket=ticket)}\\n{listed}\\nTeam:").strip().lower()}
    """,
    "a schema": """
        schema = json.dumps({"type": "object", "properties": {"team": {"enum": list(TEAMS)}}})
        raw = ask(prompt("sort").format(ticket=ticket) + "\\nAnswer as JSON of this schema: " + schema)
        return {"team": json.loads(raw)["team"] if raw.lstrip().startswith("{") else raw.strip().lower()}
    """,
    "a template": """
        from string import Template

        text = Template("Ticket: $ticket\\nTeams: $teams").substitute(ticket=ticket, teams=", ".join(TEAMS))
        return {"team": ask(text).strip().lower()}
    """,
    "the day in the prompt": """
        from datetime import date

        text = f"Today is {date.today().isoformat()}.\\n" + prompt("sort").format(ticket=ticket)
        return {"team": ask(text).strip().lower()}
    """,
    # --- tools and routes -------------------------------------------------------------------------------
    "tool loop": """
        notes: list[str] = []
        for turn in range(4):
            reply = ask(prompt("sort").format(ticket=ticket) + "\\n" + "\\n".join(notes))
            action, _, argument = reply.partition(":")
            if action.strip().upper() == "SEARCH":
                notes.append(f"Found: {search(argument.strip(), k=k)}")
                continue
            if action.strip().upper() == "FINAL":
                return {"team": argument.strip().lower()}
            notes.append("Answer with SEARCH: <query> or FINAL: <team>.")
        return {"team": "unknown"}
    """,
    "a table of tools": """
        tools = {"search": lambda text: search(text, k=k), "upper": str.upper}
        history = [ticket]
        for _ in range(3):
            name, _, argument = ask("\\n".join(history)).strip().partition(" ")
            if name not in tools:
                return {"team": name.lower()}
            history.append(str(tools[name](argument)))
        return {"team": "unknown"}
    """,
    "questions in a ticket one by one": """
        import re

        parts = [part for part in re.split(r"(?<=[.?!])\\s+", ticket) if part.endswith("?")] or [ticket]
        teams = [ask(prompt("sort").format(ticket=part)).strip().lower() for part in parts]
        return {"team": next((team for team in teams if team in TEAMS), teams[0])}
    """,
    "a general rule before the model": """
        if not ticket.strip():
            return {"team": "unknown"}
        if "unsubscribe" in ticket.lower():
            return {"team": "account"}
        return {"team": ask(prompt("sort").format(ticket=ticket)).strip().lower()}
    """,
    "other language first": """
        language = ask(f"Which language is this? One word.\\n{ticket}").strip().lower()
        text = ticket if language == "english" else ask(f"Translate into English:\\n{ticket}")
        return {"team": ask(prompt("sort").format(ticket=text)).strip().lower()}
    """,
    "a summary first": """
        short = ask(f"Summarize in one sentence:\\n{ticket}") if len(ticket.split()) > 60 else ticket
        return {"team": ask(prompt("sort").format(ticket=short)).strip().lower()}
    """,
    "a nested helper with a cache": """
        from functools import lru_cache

        @lru_cache(maxsize=8)
        def asked(text: str) -> str:
            return ask(text).strip().lower()

        text = prompt("sort").format(ticket=ticket)
        return {"team": asked(text) if asked(text) in TEAMS else asked(text + "\\nOne word.")}
    """,
}
