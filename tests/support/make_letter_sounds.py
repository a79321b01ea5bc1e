"""Learn the letter-to-sound rules of the embedded engine from the dictionary in the pocketsphinx wheel.

Run it from the root of the checkout: ``python -m tests.support.make_letter_sounds``; it takes a minute and writes
``services/asr/engines/embedded/letter_sounds.txt``. With ``--check`` nothing is written: rules learned without
5,000 words of the dictionary are tried on these.

First every letter of every word gets the phones it stands for (none, one or two), by the most likely alignment, the
likelihoods being counted again after each round. Then a context of a letter becomes a rule where it decides at least
``MIN_GAIN`` letters better than the rules of less specific contexts do.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pocketsphinx import get_model_path

from services.asr.engines.embedded.pronunciation import RULES_FILE, Phones, Sound, contexts, read_by_rules

MIN_GAIN = 10
MAX_SOUNDS = 2
MIN_SHARE = 0.02
ROUNDS = 6
ROUND_WORDS = 25_000
CHECK_WORDS = 5_000
VOWELS = frozenset({"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"})
HEADER = """\
# How letters of English words sound; made by tests/support/make_letter_sounds.py, not by hand.
# left|letter and right  phones=percent of cases  phones=percent ("-" is silent, "." is outside the word)
# Learned from the CMU Pronouncing Dictionary, Copyright (C) 1993-2015 Carnegie Mellon University (BSD-2-Clause).
"""

Cost = Callable[[str, Phones], float]
Alignment = tuple[Phones, ...]


def dictionary() -> dict[str, Phones]:
    """Return the first pronunciation of every word of plain letters."""
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as file:
        entries = (line.split() for line in file)
        return {word: tuple(phones) for word, *phones in entries if re.fullmatch("[a-z]+", word)}


def first_guess(letter: str, phones: Phones) -> float:
    """Vowels stand for vowels, consonants for consonants, and one letter for one phone."""
    wrong_kind = sum((phone in VOWELS) != (letter in "aeiouy") for phone in phones)
    return 3.0 * wrong_kind + {0: 2.0, 1: 1.0, 2: 5.0}[len(phones)]


def aligned(word: str, phones: Phones, cost: Cost) -> Alignment | None:
    """Return the cheapest phones for each letter; None when there are more than two phones to a letter."""
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for letter in word:
        reached: dict[int, tuple[float, int]] = {}
        for used, (spent, _) in best[-1].items():
            for count in range(min(3, len(phones) - used + 1)):
                total = spent + cost(letter, phones[used : used + count])
                if total < reached.get(used + count, (math.inf, 0))[0]:
                    reached[used + count] = (total, count)
        best.append(reached)
    if len(phones) not in best[-1]:
        return None
    end, parts = len(phones), []
    for reached in reversed(best[1:]):
        count = reached[end][1]
        parts.append(phones[end - count : end])
        end -= count
    return tuple(reversed(parts))


def alignments(words: dict[str, Phones]) -> dict[str, Alignment]:
    """Return what each letter of each word stands for."""
    cost, found = first_guess, {}
    for number in range(ROUNDS):
        is_last = number >= ROUNDS - 2
        chosen = list(words) if is_last else random.Random(number).sample(sorted(words), min(len(words), ROUND_WORDS))
        pairs = ((word, aligned(word, words[word], cost)) for word in chosen)
        found = {word: alignment for word, alignment in pairs if alignment is not None}
        cost = counted_cost(found)
    return found


def counted_cost(found: dict[str, Alignment]) -> Cost:
    """Return minus the logarithm of how often a letter stands for phones."""
    pairs = Counter(pair for word, alignment in found.items() for pair in zip(word, alignment, strict=True))
    letters = Counter(letter for word in found for letter in word)

    def cost(letter: str, phones: Phones) -> float:
        unseen = 0.01 if len(phones) < 2 else 0.00001
        return -math.log((pairs[letter, phones] + unseen) / (letters[letter] + 1))

    return cost


def learn(found: dict[str, Alignment]) -> dict[str, tuple[Sound, ...]]:
    """Return the rules of aligned words."""
    seen: dict[str, Counter[Phones]] = defaultdict(Counter)
    narrower: dict[str, set[str]] = defaultdict(set)
    for word, alignment in found.items():
        for place, phones in enumerate(alignment):
            wider = ""
            for context in reversed(contexts(word, place)):
                seen[context][phones] += 1
                narrower[wider].add(context)
                wider = context
    decided = {context for root in sorted(narrower[""]) for context in choose(root, None, seen, narrower)[1]}
    return rules_of(decided, found)


def choose(
    context: str, inherited: Phones | None, seen: dict[str, Counter[Phones]], narrower: dict[str, set[str]]
) -> tuple[float, list[str]]:
    """Return the contexts at and below one that become rules, and their errors plus ``MIN_GAIN`` each."""
    counts = seen[context]
    own = max(counts, key=lambda phones: (counts[phones], phones))

    def below(decision: Phones) -> tuple[float, list[str]]:
        wrong = counts.total() - counts[decision]
        if wrong == 0 or context not in narrower:
            return wrong, []
        parts = [choose(child, decision, seen, narrower) for child in sorted(narrower[context])]
        return sum(part[0] for part in parts), [rule for part in parts for rule in part[1]]

    if inherited is not None:
        wrong = counts.total() - counts[inherited]
        if wrong < MIN_GAIN:
            return wrong, []
        without = below(inherited)
        if own == inherited:
            return without
    errors, rules = below(own)
    with_rule = (errors + MIN_GAIN, [context, *rules])
    return with_rule if inherited is None else min(without, with_rule, key=lambda outcome: outcome[0])


def rules_of(decided: set[str], found: dict[str, Alignment]) -> dict[str, tuple[Sound, ...]]:
    """Return the sounds each rule decides about, commonest first."""
    counts: dict[str, Counter[Phones]] = defaultdict(Counter)
    for word, alignment in found.items():
        for place, phones in enumerate(alignment):
            rule = next(context for context in contexts(word, place) if context in decided)
            counts[rule][phones] += 1
    rules = {}
    for rule, outcomes in sorted(counts.items()):
        ranked = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))[:MAX_SOUNDS]
        shares = [Sound(phones, count / outcomes.total()) for phones, count in ranked]
        rules[rule] = (shares[0], *(sound for sound in shares[1:] if sound.share >= MIN_SHARE))
    return rules


def text_of(rules: dict[str, tuple[Sound, ...]]) -> str:
    """Return the file of some rules."""
    lines = (
        " ".join([rule, *(f"{'+'.join(sound.phones) or '-'}={100 * sound.share:.0f}" for sound in sounds)])
        for rule, sounds in rules.items()
    )
    return HEADER + "".join(f"{line}\n" for line in lines)


def phone_errors(said: Sequence[str], reference: Sequence[str]) -> int:
    """Return the fewest phones to insert, leave out or replace."""
    row = list(range(len(reference) + 1))
    for place, phone in enumerate(said, 1):
        above, row = row, [place]
        for column, wanted in enumerate(reference, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (phone != wanted)))
    return row[-1]


def accuracy(words: Iterable[tuple[str, Phones]], rules: dict[str, tuple[Sound, ...]]) -> str:
    """Return how well the rules read words, as a sentence."""
    tried = [(read_by_rules(word, rules), phones) for word, phones in words]
    phones = sum(len(reference) for _, reference in tried)
    first = [phone_errors(ways[0].phones, reference) for ways, reference in tried]
    any_way = [min(phone_errors(way.phones, reference) for way in ways) for ways, reference in tried]
    count = len(tried)
    variants = sum(len(ways) for ways, _ in tried) / count
    return (
        f"{count} words, {len(rules)} rules: {100 * sum(first) / phones:.1f} % of phones wrong, "
        f"{100 * first.count(0) / count:.1f} % of words right; best of {variants:.1f} variants: "
        f"{100 * sum(any_way) / phones:.1f} %, {100 * any_way.count(0) / count:.1f} %"
    )


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Learn letter-to-sound rules.")
    parser.add_argument("--check", action="store_true", help="try the rules on words they have not seen; write nothing")
    check = parser.parse_args().check
    words = dictionary()
    held_out = set(random.Random(0).sample(sorted(words), CHECK_WORDS)) if check else set()
    rules = learn(alignments({word: phones for word, phones in words.items() if word not in held_out}))
    if check:
        print(accuracy(((word, words[word]) for word in sorted(held_out)), rules))
    else:
        RULES_FILE.write_text(text_of(rules), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
