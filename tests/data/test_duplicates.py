from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxtask.data.corpora import Corpus
from auxtask.data.duplicates import KnownTexts, drop_duplicates, normalised_words
from auxtask.data.texts import TextData

RANDOM = np.random.default_rng(0)
VOCABULARY = [f"word{i}" for i in range(2000)]


def text_of(num_words: int) -> str:
    return " ".join(RANDOM.choice(VOCABULARY, num_words))


KNOWN = [text_of(60) for _ in range(50)]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = normalised_words(text)
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_case_punctuation_tags_and_spaces_make_no_difference() -> None:
    known = KnownTexts(["It was great -- truly great!<br /><br />Go & see it."])
    assert known.find("it was GREAT, truly great.   Go <b>see</b> it") == (0, True)
    assert known.find("it was great, truly bad. Go see it") is None
    assert normalised_words("Ｆｕｌｌ width, ﬁne STRASSE/Straße") == ["full", "width", "fine", "strasse", "strasse"]


def test_a_few_changed_words_are_found_and_half_a_text_in_another() -> None:
    known = KnownTexts(KNOWN)
    words = KNOWN[7].split()
    words[10], words[40] = "changed", "too"
    assert known.find(" ".join(words)) == (7, False)
    assert known.find(f"{text_of(300)} {KNOWN[9]} {text_of(300)}") == (9, False)
    assert known.find(" ".join(KNOWN[11].split()[:20])) == (11, False)
    assert known.find(text_of(60)) is None


@settings(max_examples=100)
@given(which=st.integers(0, 49), kept=st.integers(0, 60), added=st.integers(0, 80), near=st.sampled_from([0.3, 0.5, 1]))
def test_near_means_what_the_naive_count_says(which: int, kept: int, added: int, near: float) -> None:
    text = " ".join([*KNOWN[which].split()[:kept], *(f"new{i}" for i in range(added))])
    own, known = shingles(text), shingles(KNOWN[which])
    shared = len(own & known)
    expected = shared >= max(8, near * min(len(own), len(known)))
    found = KnownTexts(KNOWN, near).find(text)
    assert found == ((which, text == KNOWN[which]) if expected else None)


def test_phrases_that_many_texts_share_are_no_sign() -> None:
    phrase = "this is one of the best films that I have ever seen in all my life and I mean it"
    known = KnownTexts([f"{text} {phrase}" for text in KNOWN])
    assert known.find(f"{text_of(10)} {phrase}") is None
    assert known.find(f"{KNOWN[3]} {phrase} indeed") == (3, False)


def test_what_is_tested_is_dropped_from_pretraining_and_counted() -> None:
    near = " ".join(KNOWN[1].split()[:50])
    fresh = [text_of(30) for _ in range(4)]
    corpus = Corpus.of([fresh[0], KNOWN[0].upper(), "", fresh[1], near, fresh[2], KNOWN[0], fresh[3]])
    clean, report = drop_duplicates(corpus, KNOWN)
    assert list(clean) == fresh == list(clean)
    assert (report.num_texts, report.num_exact, report.num_near) == (7, 2, 1)
    assert report.pairs == [(1, 0), (3, 1), (5, 0)]
    assert report.sentence("unlabelled texts", "test set", "dropped") == (
        "3 of 7 unlabelled texts also stand in the test set (2 the same, 1 nearly): dropped"
    )
    same, nothing = drop_duplicates(Corpus.of(fresh), KNOWN)
    assert list(same) == fresh and nothing.num_duplicates == 0


def test_a_stream_is_read_once_and_not_kept() -> None:
    report = KnownTexts(KNOWN).report(KNOWN[i % 50] if i % 100 == 0 else "short text" for i in range(2000))
    assert (report.num_texts, report.num_exact) == (2000, 20)


def test_edge_cases() -> None:
    assert KnownTexts([]).find("anything at all") is None
    assert KnownTexts(["", "a"]).find("A!") == (1, True)
    assert KnownTexts(["one two"]).find("") is None
    assert KnownTexts(["!!", "?"]).find("?") == (1, True)  # no word in either, and not the same
    assert KnownTexts(["!!"]).find("?") is None
    with pytest.raises(ValueError, match="near=0"):
        KnownTexts(KNOWN, near=0)


@pytest.mark.data
def test_imdbs_known_duplicates_are_found(data_root: Path) -> None:
    data = TextData.imdb(data_root)
    report = KnownTexts(data.test.texts).report(data.train.texts)
    # 123 reviews are known to stand in both; nearly equal ones come on top.
    assert report.num_exact == 123 and 0 < report.num_near < 30


def test_a_short_test_text_that_stands_here_whole_is_found_beside_half_of_a_long_one() -> None:
    short, long, own = (" ".join(f"{name}{i}" for i in range(n)) for name, n in (("a", 20), ("b", 300), ("c", 40)))
    text = f"{short} {' '.join(long.split()[:30])} {own}"
    assert KnownTexts([long]).find(text) is None  # 26 of its 86 sequences
    assert KnownTexts([long, short]).find(text) == (1, False)  # 16 of 16
