from itertools import pairwise

from ncp.progress import share, shares


def test_steps_within_steps_rise_from_nothing_to_all():
    seen = []
    first, second = shares(seen.append, 2)
    for step in (*shares(first, 3), share(second, 0.0, 0.7), share(second, 0.7, 1.0)):
        for done in (0.0, 0.5, 1.0):
            step(done)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert all(a <= b for a, b in pairwise(seen))
    assert 0.5 in seen
