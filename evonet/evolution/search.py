"""The search: what to evaluate next, as a pure function of (settings, seed, n, outcomes of decisions <= n - window).

Decisions are numbered; every `block` of them makes the next pool. Decision n uses pool p(n) = (n - lag + 1) // block,
the one made of all full blocks among decisions 0..n - lag, and nothing newer, whatever has arrived. (With islands, the
pools that all these blocks have made, of which it takes the one that n belongs to.) So the sequence
of decisions is the same for every number of workers and order of completion, and a resumed run goes on with it.

Why every run also ends at the same decision: decision n is issued unless all births are spent before n (a fact about
decisions < n) or a block in pool p(n) met a stop rule (a fact about outcomes <= n - lag). Both are functions of n and
of recorded outcomes alone, and decisions are issued in order, so the issued ones are the prefix before the first n
that fails. A stop found in block b is first seen by n = (b + 1) * block + lag - 1; decisions before that are issued,
awaited and counted however late they come.

What comes from outside (`interventions`) has a decision too: it takes effect once pool p(n) is there and before
decision n is taken, so that it finds the same state however early or late it was asked for.
"""

from collections import deque
from collections.abc import Callable, Sequence

from evonet.evolution.bands import Entry
from evonet.evolution.breeding import Admit, Birth, Breeder
from evonet.evolution.credit import Credits
from evonet.evolution.decisions import FINISH_RUNG, INJECTED, Decision, Measured, Weights
from evonet.evolution.drift import shuffled
from evonet.evolution.entries import entry_of, scored_again
from evonet.evolution.finalists import Finalists, by_choice
from evonet.evolution.interventions import Configure, Cull, Inject, Intervention, Scheduled
from evonet.evolution.jobs import Jobs
from evonet.evolution.pools import Pools
from evonet.evolution.rungs import Rated
from evonet.evolution.score import is_finite, objectives, score
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.evolution.terms import Terms
from evonet.genome import Genome
from evonet.genome.code import decode
from evonet.genome.sampling import Limits
from evonet.job import Measures, Outcome, Scored
from evonet.seeds import Stream


class Search:
    """Ask with `decide`, answer with `tell`; evaluates nothing itself and keeps no weights.

    Args:
        limits: what sampled and varied genomes keep to.
        context: stands for everything else that outcomes depend on: data, evaluation settings and version.
        brief_examples: training examples of one evaluation on the first rung, the unit of the bands; at least 1.
        admit: the genome fitted to the data's shape, or None if it does not expand within the budget; pure.
        genomes: seed genomes, founded first.
        terms: what the text of a `Configure` means; without it such an intervention is refused.
        measured: where the search finds measures again when a `Configure` changes the score.
    """

    def __init__(
        self,
        settings: SearchSettings,
        score: ScoreSettings,
        *,
        limits: Limits,
        seed: int,
        context: str,
        brief_examples: int,
        admit: Admit,
        weights: Weights,
        genomes: Sequence[Genome] = (),
        terms: Callable[[str], Terms] | None = None,
        measured: Measured | None = None,
    ) -> None:
        self.settings = settings
        self.score = score
        self._block, self._lag = settings.block, settings.lag  # no intervention changes them
        self.next = 0  # the number of the next decision
        self.births = 0
        self.open: dict[int, Decision] = {}  # decided, not told
        self.best: Entry | None = None  # of all that was told, by validation score; for display only
        self._seed, self._genomes = seed, tuple(genomes)
        self._jobs = Jobs(weights, seed=seed, context=context)
        self._breeder = Breeder(settings, limits, seed=seed, admit=admit)
        self._credits = Credits(settings.rates, adapt=settings.adapt)
        self._pools = Pools(settings, seed=seed, brief=brief_examples, pareto=score.kind == "pareto")
        self._finalists = Finalists(settings.finish_best, top_rung=len(settings.rungs) - 1)
        self._news: dict[int, Entry] = {}  # told, in no pool yet
        self._steps = 0
        self._finals: deque[Decision] | None = None  # None while the search goes on
        self._finished: list[Entry] = []
        self._terms, self._measured = terms, measured
        self._scheduled: deque[Scheduled] = deque()
        self._injected: deque[Inject] = deque()
        self._culled: set[int] = set()

    @property
    def pool(self) -> tuple[Entry, ...]:
        return self._pools.pool

    @property
    def mean(self) -> float | None:
        """The mean score of the pool, None of an empty one; for display only."""
        return self._pools.mean

    @property
    def complete(self) -> bool:
        """Whether everything is decided and told, finishing included."""
        return self._finals is not None and not self._finals and not self.open

    def stopped(self) -> str | None:
        """Why the search issues no further decision, or None. Finishing may still be ahead."""
        if self.births >= self.settings.individuals:
            return f"all {self.settings.individuals} individuals are born"
        return self._pools.halt

    def ready(self) -> bool:
        """Whether the next decision may be taken now: there is one, and all outcomes it depends on are told."""
        if self.stopped():
            return bool(self._finals)
        return self._pools.blocks == self._visible_blocks()

    def decide(self) -> Decision:
        """Take decision number `next`.

        Raises:
            ValueError: not `ready`.
            StoreError: the weights of a scored evaluation are gone.
        """
        if not self.ready():
            raise ValueError(f"decision {self.next} is not ready: tell outcomes first, or the search is over")
        decision = self._finals[0] if self._finals else self._search_decision()
        self._enter(decision)
        return decision

    def follow(self, decision: Decision) -> None:
        """Take a recorded decision as it stands: the state after `decide`, without the work of varying genomes.

        Its job needs no starts. Whether `decide` would have said the same is not looked at: the loop checks some of
        them, and any error among the others changes the pools that those come from.

        Raises:
            ValueError: not `ready`, or the search is at another number.
        """
        job, born = decision.job, decision.kind not in ("promote", "finish")
        at_hand = job.decision == self.next and (
            job.individual == self.births if born else job.individual < self.births
        )
        if not (at_hand and self.ready()) or self._finals:
            raise ValueError(f"decision {job.decision} cannot be followed: the search is at decision {self.next}")
        self._enter(decision)

    def intervene(self, change: Intervention, at: int | None = None) -> int:
        """Let `change` take effect right before decision `at` (None: the next one), which is returned.

        Raises:
            ValueError: `at` lies before what is decided or scheduled, or finishing has begun.
        """
        n = self.next if at is None else at
        if self._finals is not None or n < max([self.next, *(s.decision for s in self._scheduled)]):
            raise ValueError(f"no intervention at decision {n}: the search is at {self.next}, or finishing has begun")
        self._scheduled.append(Scheduled(n, change))
        self._advance()
        return n

    def tell(self, outcome: Outcome) -> None:
        """Take in the outcome of an open decision. Only finite `Scored` ones can enter a pool.

        Raises:
            ValueError: the decision was never taken, or was told before.
        """
        decision = self.open.pop(outcome.decision, None)
        if decision is None:
            raise ValueError(f"decision {outcome.decision} is not open: it was never taken or was told before")
        if isinstance(outcome, Scored) and is_finite(outcome.measures):
            entry = entry_of(decision.job, outcome.measures, self.score)
            if self.best is None or (entry.score, -entry.decision) > (self.best.score, -self.best.decision):
                self.best = entry
            if decision.kind == "finish":
                self._finished.append(entry)
            else:
                self._news[entry.decision] = entry
        self._advance()

    def winner(self) -> Entry | None:
        """The best finished individual by choice score, else the best that would have been; None if nothing was
        scored.
        """
        finished = self._judged(sorted(self._finished, key=lambda entry: entry.decision), "finish")
        return next(iter(by_choice(finished) or self._finalists.best()), None)

    def _visible_blocks(self) -> int:
        return max(0, (self.next - self._lag + 1) // self._block)

    def _advance(self) -> None:
        """Fold what the next decision sees and no more; when the search is over and told, prepare finishing."""
        size, visible = self._block, self._visible_blocks()
        while self._pools.blocks < visible:
            first = self._pools.blocks * size
            if min(self.open, default=self.next) < first + size:
                return
            block = range(first, first + size)
            scored = self._taken(block)
            self._credits.fold(block, scored)
            self._pools.fold(scored, gone=self._culled)
        while self._scheduled and self._scheduled[0].decision == self.next and self._finals is None:
            self._apply(self._scheduled.popleft().change)
        if self.stopped() and not self.open and self._finals is None:
            self._finals = deque(self._finishing())

    def _judged(self, scored: Sequence[Entry], where: int | str) -> Sequence[Entry]:
        """As selection sees them: in the drift control, with each other's scores."""
        return shuffled(scored, Stream(self._seed, "drift", where)) if self.settings.drift else scored

    def _taken(self, block: Sequence[int]) -> Sequence[Entry]:
        scored = self._judged([self._news.pop(n) for n in block if n in self._news], self._pools.blocks)
        for entry in scored:
            if entry.individual not in self._culled:
                self._finalists.consider(entry)
        return scored

    def _enter(self, decision: Decision) -> None:
        """All that taking a decision changes, and a function of nothing but the decision and the pool."""
        job = decision.job
        match decision.kind:
            case "finish":
                assert self._finals  # noqa: S101 - where it comes from
                self._finals.popleft()
            case "promote":
                self._pools.promoted(job.decision, job.individual)
            case "seed" | "found" | "breed":
                self.births += 1
                if decision.operator == INJECTED:
                    self._injected.popleft()
                if decision.parents:
                    pool = self._pools.entries(job.decision)
                    parents = [pool[individual] for individual in decision.parents]
                    self._credits.born(job.decision, decision.operator, parents)
        if decision.kind != "finish":
            self._steps += job.steps
        self.open[self.next] = decision
        self.next += 1
        self._advance()

    def _apply(self, change: Intervention) -> None:
        match change:
            case Inject():
                self._injected.append(change)
            case Cull(individuals=individuals):
                self._culled.update(individuals)
                self._pools.drop(self._culled)
                self._finalists.drop(self._culled)
            case Configure(config=config):
                if self._terms is None:
                    raise ValueError("a Configure needs to know what its text means: give `terms`")
                self._adopt(self._terms(config))

    def _adopt(self, terms: Terms) -> None:
        """Go on by other terms. What operators have gained is counted anew where it was gained by other rules."""
        before, self.settings, self.score = (self.settings, self.score), terms.settings, terms.score
        self._seed = self._jobs.seed = terms.seed
        self._jobs.context = terms.context
        self._breeder = Breeder(terms.settings, terms.limits, seed=terms.seed, admit=terms.admit)
        self._pools.adopt(terms.settings, seed=terms.seed, brief=terms.brief_examples)
        rules = [(score, settings.rates, settings.adapt) for settings, score in (before, (self.settings, self.score))]
        if rules[0] != rules[1]:
            self._credits = Credits(terms.settings.rates, adapt=terms.settings.adapt)
        if before[1] != terms.score:
            self._score_again()
        if before[1] != terms.score or before[0].finish_best != terms.settings.finish_best:
            self._finalists.reconsider(self._pools.pool, keep=terms.settings.finish_best)

    def _score_again(self) -> None:
        """Scores are derived: every one that the search holds is made anew from the recorded measures."""
        if self._measured is None:
            raise ValueError("a Configure that changes the score needs the recorded measures: give `measured`")
        folded = self._pools.blocks * self.settings.block
        entries = [*self._pools.pool, *self._news.values(), *self._finalists.held, *filter(None, [self.best])]
        wanted = {entry.decision for entry in entries}
        found: dict[int, Measures] = {}
        history: list[tuple[int, Rated]] = []  # with its block, all that a pool has seen
        for decision, individual, rung, measures in self._measured():
            if decision < folded:
                value, values = score(measures, self.score), objectives(measures, self.score)
                history.append((decision // self.settings.block, Rated(individual, rung, value, values)))
            if decision in wanted:
                found[decision] = measures

        def again(entry: Entry) -> Entry:
            return scored_again(entry, found[entry.decision], self.score)

        self._news = {n: again(entry) for n, entry in self._news.items()}
        self.best = again(self.best) if self.best else None
        self._pools.score_again(again, history, pareto=self.score.kind == "pareto")
        self._finalists.score_again(again)

    def _search_decision(self) -> Decision:
        n, every = self.next, self.settings.promote_every
        first = max(self.settings.founders, len(self._genomes))
        considers = n >= first and n % every == every - 1 and not self._injected
        entry = self._pools.promotable(n) if considers else None
        return self._born(self._birth(n)) if entry is None else self._promotion(entry)

    def _birth(self, n: int) -> Birth:
        if n < len(self._genomes):
            return Birth("seed", self._genomes[n], (), "seed")
        if self._injected:
            return Birth("seed", decode(self._injected[0].genome), (), INJECTED)
        mating = self._pools.mating(n)
        if n < self.settings.founders or not mating:
            return self._breeder.found(n)
        return self._breeder.breed(n, mating, self._credits.rates)

    def _born(self, birth: Birth) -> Decision:
        guest = self._injected[0] if birth.operator == INJECTED else None
        steps, inherit = self.settings.rungs[0], self.settings.inherit
        job = self._jobs.birth(birth, self.next, self.births, steps=steps, inherit=inherit, guest=guest)
        parents = tuple(parent.individual for parent in birth.parents)
        return Decision(job=job, kind=birth.kind, parents=parents, operator=birth.operator)

    def _promotion(self, entry: Entry) -> Decision:
        rung = entry.rung + 1
        job = self._jobs.further(entry, self.next, rung=rung, steps=self.settings.rungs[rung])
        return Decision(job=job, kind="promote")

    def _finishing(self) -> list[Decision]:
        """The final trainings, decided once the whole search is told: what no decision saw counts here."""
        self._taken(sorted(self._news))
        share, count = self.settings.finish_share, self.settings.finish_best
        steps = round(self._steps * share / (1 - share) / count) if count else 0
        finalists = self._finalists.best() if steps else []
        jobs = (self._jobs.further(e, self.next + i, rung=FINISH_RUNG, steps=steps) for i, e in enumerate(finalists))
        return [Decision(job=job, kind="finish") for job in jobs]
