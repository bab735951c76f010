import msgspec
import pytest

from evonet.job import Diverged
from evonet.store import open_run, run_digest


def digest_of(path):
    with open_run(path) as run:
        return run_digest(run)


@pytest.fixture
def two(create, job, scored):
    """A run of two founders; `change_job` and `change` touch the second one."""

    def two(
        name, *, order=(0, 1), kind="found", parents=(), operator="", change_job=None, change=None, cached_from=None
    ):
        with create(name, seed=len(name)) as writer:
            writer.issued(job(0), kind="found")
            writer.issued(job(1, **(change_job or {})), kind=kind, parents=parents, operator=operator)
            outcomes = [scored(0), scored(1, **(change or {}))]
            for n in order:
                writer.recorded(outcomes[n], cached_from=cached_from if n else None)
        return digest_of(writer.path)

    return two


def test_it_is_a_sha256_and_says_the_same_twice(two):
    assert two("a") == two("bb")
    assert len(bytes.fromhex(two("c"))) == 32


def test_not_over_what_differs_between_equal_runs(two, create, job, scored):
    plain = two("plain")
    assert two("slow", change={"seconds": 99.0}) == plain
    assert two("late", order=(1, 0)) == plain
    assert two("hit", cached_from=0) == plain
    with create("busy") as writer:
        for n in range(2):
            writer.issued(job(n), kind="found")
            writer.recorded(scored(n))
        writer.attempt(1, 1, "worker", "died")
        writer.event("note", "x")
        writer.issued(job(2), kind="found")  # in flight
        assert digest_of(writer.path) == plain


def test_over_everything_else(two, scored):
    measures = scored(0).measures
    changed = [
        two("package", change={"package": b"package 0"}),
        *(
            two(
                f"measure {name}",
                change={"measures": msgspec.structs.replace(measures, **{name: getattr(measures, name) or 0.5})},
            )
            for name in ("choice_loss", "choice_accuracy")
        ),
        two("loss", change={"measures": msgspec.structs.replace(measures, loss=measures.loss + 1e-16 * 4)}),
        two("genome", change_job={"genome": b"x"}),
        two("ids", change_job={"ids": ((0, 0), (1, 1))}),
        two("seed", change_job={"seed": 1}),
        two("steps", change_job={"steps": 1}),
        two("seen", change_job={"seen": 1}),
        two("rung", change_job={"rung": 1}),
        two("kind", kind="breed"),
        two("parents", parents=(0,)),
        two("operator", operator="widen"),
        two("plain"),
    ]
    assert len(set(changed)) == len(changed)


def test_over_the_kind_of_failure(create, job, alter):
    with create() as writer:
        writer.issued(job(0), kind="found")
        writer.recorded(Diverged(decision=0, step=1, reason="nan"))
    before = digest_of(writer.path)
    alter(writer.path / "run.db", "UPDATE evaluation SET outcome = 'rejected'")
    assert digest_of(writer.path) != before
