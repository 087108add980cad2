"""What is stored with an act; the tests of Idempotency-Key store answers with acts."""

from muster.access.kept_answers import Kept, keep_nothing


def test_an_act_whose_answer_is_not_kept_stores_nothing_more():
    assert keep_nothing("client", "secret") == Kept()
    assert not [*Kept().puts, *Kept().standing, *Kept().notes]
