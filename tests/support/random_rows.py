"""Random batches of rows in which states recur, for comparisons with slow versions of rules."""

from hypothesis import strategies as st
from support.rows import Row


@st.composite
def random_rows(draw, *, anchors="abcd", penalties=(0.0, 0.0, 0.1)):
    """Draw up to three tasks of up to four episodes of up to five steps."""
    reward = st.sampled_from([0.0, 0.0, 1.0, 10.0, -0.5])
    rows, trajectory = [], 0
    for group in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(1, 4))):
            won = draw(st.booleans())
            for step in range(draw(st.integers(1, 5))):
                rows.append(
                    Row(
                        group,
                        trajectory,
                        step,
                        draw(reward),
                        draw(st.sampled_from(anchors)),
                        draw(st.sampled_from(penalties)),
                        draw(st.sampled_from(["left", "right"])),
                        won,
                    )
                )
            trajectory += 1
    return rows


def episode_of(rows, row):
    """Return the rows of a row's episode, in order."""
    return sorted((r for r in rows if r.trajectory == row.trajectory), key=lambda r: r.step)


def task_of(rows, row):
    """Return the rows of a row's task."""
    return [r for r in rows if r.group == row.group]


def following(rows, row):
    """Return the next row of the episode, or None."""
    later = [r for r in episode_of(rows, row) if r.step == row.step + 1]
    return later[0] if later else None


def made_unique(rows):
    """Give each row a state that no other row has."""
    for number, row in enumerate(rows):
        row.anchor = f"state {number}"
    return rows
