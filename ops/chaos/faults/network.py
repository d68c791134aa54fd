"""The way between a process and Postgres: late, narrow, cut, silent, or cut after a commit."""

from __future__ import annotations

from ops.chaos.errors import ChaosError
from ops.chaos.fault import Fault
from ops.chaos.scenario import Side
from ops.chaos.scene import Scene
from tests.support.link import Toxics
from tests.support.proxy import Proxy


class _Way(Fault):
    """A fault of one side's proxy."""

    verb: str

    def __init__(self, scene: Scene, *, side: Side) -> None:
        super().__init__(scene)
        if side not in scene.ways:
            raise ChaosError(f"The scenario lets the {side} through no proxy.")
        self.side = side
        self.name = f"{side}'s connections {self.verb}"

    @property
    def way(self) -> Proxy:
        """The proxy."""
        return self.scene.ways[self.side]


class CommitCut(_Way):
    """A share of the commits is made, and the answer lost with the connection."""

    verb = "cut after COMMIT"

    def __init__(self, scene: Scene, *, side: Side, share: float) -> None:
        super().__init__(scene, side=side)
        self.share = share

    @property
    def struck(self) -> int:
        return self.way.lost_commits

    async def inject(self) -> None:
        self.way.lose_commit = lambda: self.scene.chance.random() < self.share

    async def heal(self) -> None:
        self.way.lose_commit = None


class Poor(_Way):
    """Bytes pass late, slowly or in small pieces until healed."""

    def __init__(self, scene: Scene, *, side: Side, verb: str, toxics: Toxics) -> None:
        self.verb = verb
        super().__init__(scene, side=side)
        self.toxics = toxics

    async def inject(self) -> None:
        self.way.toxics = self.toxics

    async def heal(self) -> None:
        self.way.toxics = Toxics()


class Reset(_Way):
    """A share of the connections is reset."""

    verb = "reset"

    def __init__(self, scene: Scene, *, side: Side, share: float) -> None:
        super().__init__(scene, side=side)
        self.share = share
        self.resets = 0

    @property
    def struck(self) -> int:
        return self.resets

    async def inject(self) -> None:
        self.resets += self.way.reset(self.share)


class Silent(_Way):
    """Nothing passes, nothing is closed, new connections are taken and hang, until healed."""

    verb = "silent"

    async def inject(self) -> None:
        self.way.hang()

    async def heal(self) -> None:
        self.way.go_on()


class Stranded(_Way):
    """The connections there are never say a word again; new ones are well."""

    verb = "stranded"

    async def inject(self) -> None:
        self.way.strand()


class FailedOver(Fault):
    """The host in use falls silent, with every connection to it, and the other one takes over."""

    name = "the host in use silent, the other one takes over"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        if not scene.second_ways:
            raise ChaosError("The scenario has one host only.")
        self.used, self.other = scene.ways, scene.second_ways

    async def inject(self) -> None:
        self.used, self.other = self.other, self.used
        for way in self.used.values():
            way.refuse = False
            way.go_on()
        for way in self.other.values():
            way.hang()


class Refused(_Way):
    """Every connection is reset and every new one closed at once, until healed."""

    verb = "refused"

    async def inject(self) -> None:
        self.way.refuse = True
        self.way.reset()

    async def heal(self) -> None:
        self.way.refuse = False
