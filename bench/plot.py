"""Plots the results: a panel per engine, a line per operation."""

from pathlib import Path

_WORKS = ("GET by id", "userName eq", "list of 100", "POST", "PATCH")
_COLOURS = ("#2463eb", "#0f766e", "#b45309", "#be123c", "#7c3aed")
_PEERS = ("scim2-server", "SCIMMY")


def growth(rows: list[dict], path: Path) -> None:
    """Draw path.png and path.svg from the rows of the benchmark."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"svg.hashsalt": "muster", "font.size": 9}
    measured = [row for row in rows if row["work"] in _WORKS and row["against"] not in _PEERS]
    if not measured:
        return
    engines = list(dict.fromkeys(row["engine"] for row in measured))
    figure = Figure(figsize=(4.6 * len(engines), 4), layout="constrained")
    panels = figure.subplots(1, len(engines), sharey=True, squeeze=False)[0]
    for panel, engine in zip(panels, engines, strict=True):
        for work, colour in zip(_WORKS, _COLOURS, strict=True):
            found = sorted(
                (row["users"], row["rate"])
                for row in measured
                if (row["engine"], row["work"]) == (engine, work)
            )
            panel.plot(
                *zip(*found, strict=True), marker="o", markersize=4, color=colour, label=work
            )
        sizes = sorted({row["users"] for row in measured})
        panel.set(title=engine, xlabel="users in the workspace", xscale="log", yscale="log")
        panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    ticks = (1_000, 2_000, 5_000, 10_000, 20_000)
    panels[0].set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    panels[0].set_ylabel("requests a second, 32 connections, one core")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(_WORKS),
        frameon=False,
    )
    _save(figure, path)


def latency(points: list[dict], path: Path) -> None:
    """Draw path.png and path.svg: the p50 and p99 of each operation by the offered rate."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"svg.hashsalt": "muster", "font.size": 9}
    engines = list(dict.fromkeys(point["engine"] for point in points))
    works = list(dict.fromkeys(point["work"] for point in points))
    figure = Figure(figsize=(4.6 * len(engines), 4.2), layout="constrained")
    panels = figure.subplots(1, len(engines), sharey=True, squeeze=False)[0]
    for panel, engine in zip(panels, engines, strict=True):
        for work, colour in zip(works, _COLOURS, strict=False):
            found = sorted(
                (point["offered"], point["p50"], point["p99"])
                for point in points
                if (point["engine"], point["work"]) == (engine, work)
            )
            rates, halves, most = zip(*found, strict=True)
            panel.plot(rates, most, marker="o", markersize=3, color=colour, label=f"{work}: 99 %")
            panel.plot(rates, halves, linestyle=":", color=colour, label=f"{work}: half")
        panel.set(title=engine, xlabel="requests a second, offered", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("milliseconds from when the request was due")
    panels[0].set_yticks((1, 10, 100, 1000), ("1", "10", "100", "1,000"))
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(works),
        frameon=False,
    )
    _save(figure, path)


def _save(figure, path: Path) -> None:
    for kind in ("png", "svg"):
        figure.savefig(
            path.with_suffix(f".{kind}"),
            dpi=150,
            metadata={"Date": None} if kind == "svg" else None,
        )
