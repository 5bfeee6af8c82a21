// Chapters and the pages around them before the library's reference (Sphinx asks this of each result).
// eslint-disable-next-line no-unused-vars
var Scorer = {
  score: ([docname, , , , score]) => {
    if (docname.startsWith("book/api/")) return score - 30;
    if (docname.startsWith("chapters/solutions/")) return score - 10;
    return docname.startsWith("chapters/") || docname === "book/glossary" ? score + 10 : score;
  },
  objNameMatch: 5,
  objPartialMatch: 2,
  objPrio: { 0: 5, 1: 0, 2: -15 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
