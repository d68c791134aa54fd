"""The command line."""
import asyncio, random, sys, tempfile
from pathlib import Path
from ops.bench import machine
from ops.chaos.catalogue import CATALOGUE
from ops.chaos.cluster import cluster
from ops.chaos.drive import play
from ops.chaos.grounds import Standing
from dataclasses import replace
from ops.chaos.result import whole
root = Path(tempfile.mkdtemp(prefix="everyclick-chaos-", dir=machine.place()))
with cluster(root / "cluster") as (made, template):
    rs = []
    for s in CATALOGUE:
        if len(sys.argv) > 1 and s.name not in sys.argv[1].split(","): continue
        d = root / s.name; d.mkdir()
        r = asyncio.run(play(replace(s, seconds=float(sys.argv[2])), Standing(made, template), random.Random(1), d))
        rs.append(r)
        print(r.name, r.what, f"{r.seconds:.1f}", dict(r.injected), r.requests, r.acknowledged, r.seen)
        print("  found again", [round(x,2) for x in r.found_again], "counted", [round(x,2) for x in r.counted_again])
        for t in r.targets: print("   ", t.what, round(t.measured,3), t.bound, t.holds)
        for f in r.findings:
            if f: print("  WRONG", f)
        print(r.evidence, r.exits, root, flush=True)
    print(whole(rs))
