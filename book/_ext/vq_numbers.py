"""A chapter's number is the one that its file's name begins with.

Sphinx counts the pages of a table of contents. Chapters that are still to be written leave gaps,
and sections, figures, equations and exercises would be numbered one thing and called another.
"""

import re

from docutils import nodes

CHAPTER = re.compile(r"chapters/(\d\d)_\w+")


def renumber(env):
    """Put the files' numbers in place of the counted ones; return the pages that changed."""
    changed = []
    for docname, numbers in env.toc_secnumbers.items():
        match = CHAPTER.fullmatch(docname)
        if match is None:
            continue
        chapter = int(match[1])

        def own(number, chapter=chapter):
            return (chapter, *number[1:]) if number else number

        if all(number == own(number) for number in numbers.values()):
            continue
        changed.append(docname)
        env.toc_secnumbers[docname] = {anchor: own(n) for anchor, n in numbers.items()}
        title = env.titles[docname]
        title["secnumber"] = own(tuple(title["secnumber"]))
        for reference in env.tocs[docname].findall(nodes.reference):
            if reference.get("secnumber"):
                reference["secnumber"] = own(tuple(reference["secnumber"]))
    return changed


def setup(app):
    # Right behind the count, and before figures and exercises are numbered by it.
    from sphinx_external_toc.collectors import TocTreeCollectorWithStyles as Collector

    count = Collector.assign_section_numbers
    if not hasattr(count, "then_renumbered"):  # once a process, however many books it builds

        def assign_section_numbers(self, env):
            return [*(count(self, env) or []), *renumber(env)]

        assign_section_numbers.then_renumbered = True
        Collector.assign_section_numbers = assign_section_numbers
    return {"parallel_read_safe": True, "parallel_write_safe": True}
