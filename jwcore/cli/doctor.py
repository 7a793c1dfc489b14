"""``jwcal doctor``: look for what is wrong with the set-up, and compile the kernels ahead of the first run."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import click


@click.command("doctor")
@click.option("--compile", "compile_kernels", is_flag=True, help="Compile all kernels now (under a minute, once).")
def command(*, compile_kernels: bool) -> None:
    """Check the installation, the plugins, the reference cache and the kernel cache; say how to mend what is wrong."""
    wrong = 0
    for good, line in (*_installation(), *_plugins(), *_references(), *_kernel_cache()):
        wrong += not good
        click.secho("ok    " if good else "wrong ", fg="green" if good else "red", nl=False)
        click.echo(line)
    if compile_kernels:
        _compile()
    if wrong:
        raise click.exceptions.Exit(2)


def _installation() -> Iterator[tuple[bool, str]]:
    from importlib import metadata

    yield True, f"python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"
    libraries = ("numpy", "numba", "astropy", "gwcs", "asdf", "photutils", "tweakwcs", "crds", "stdatamodels")
    yield True, ", ".join(f"{name} {metadata.version(name)}" for name in ("jwcal", *libraries))


def _plugins() -> Iterator[tuple[bool, str]]:
    from jwcore.plugins import Plugins

    loaded = Plugins()
    loaded.load_rest()
    for plugin in loaded.plugins.values():
        if plugin.error:
            yield (
                False,
                f"plugin {plugin.name} {plugin.version}: {plugin.error} — update or uninstall {plugin.distribution}",
            )
    working = [plugin.name for plugin in loaded.plugins.values() if not plugin.error]
    yield True, f"plugins: {', '.join(working)}"
    for instrument in ("nircam", "miri", "nirspec", "niriss", "fgs"):
        if instrument not in loaded.plugins:
            yield False, f"no plugin for {instrument} — pip install jwcal-{instrument}, if you have such data"


def _references() -> Iterator[tuple[bool, str]]:
    path = os.environ.get("CRDS_PATH")
    if not path:
        yield True, "CRDS_PATH is not set: give --references DIR, or set it to a folder that holds a CRDS cache"
        return
    cache = Path(path)
    if not cache.is_dir():
        yield False, f"CRDS_PATH={path} does not exist — make it, or point it to a cache"
        return
    contexts = sorted(p.name for p in cache.glob("mappings/jwst/*.pmap"))
    references = sum(1 for _ in cache.glob("references/jwst/**/*.*"))
    context = os.environ.get("CRDS_CONTEXT", "not set")
    yield (
        bool(contexts),
        f"CRDS cache {path}: {len(contexts)} contexts, {references} references, CRDS_CONTEXT {context}",
    )
    if context.endswith(".pmap") and context not in contexts:
        yield (
            False,
            f"CRDS_CONTEXT={context} is not in the cache — newest there: {contexts[-1] if contexts else 'none'}",
        )


def _kernel_cache() -> Iterator[tuple[bool, str]]:
    import platformdirs

    folder = Path(os.environ.get("NUMBA_CACHE_DIR", platformdirs.user_cache_path("jwcal") / "kernels"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        compiled = sum(1 for _ in folder.rglob("*.nbc"))
    except OSError as error:
        yield False, f"kernel cache {folder}: {error.strerror} — set NUMBA_CACHE_DIR to a folder that you can write"
        return
    state = (
        f"{compiled} compiled kernels"
        if compiled
        else "empty: the first run compiles for up to a minute (or --compile now)"
    )
    yield True, f"kernel cache {folder}: {state}"


def _compile() -> None:
    """Run a tiny exposure through the whole chain: that compiles every kernel that the chain needs."""
    import tempfile
    import time

    from jwcore.planner import plan
    from jwcore.synth import simulate

    click.echo("compiling ...")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="jwcal-") as folder:
        made = simulate(Path(folder), n_dithers=2, subarray="SUB160", ngroups=10)
        plan(made.uncals, "auto", output_dir=folder).run()
    click.echo(f"compiled in {time.perf_counter() - started:.0f} s")
