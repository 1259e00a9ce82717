"""Tables that benchmarks print."""

from rich.table import Table


def figures_table(title: str, name: str, *figures: str) -> Table:
    """A table without rows: a column of names, and columns of figures, none of which is folded."""
    table = Table(title=title)
    table.add_column(name, no_wrap=True)
    for figure in figures:
        table.add_column(figure, justify="right", no_wrap=True)
    return table
