// A wide table scrolls by the keyboard, too.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset table:not([class])")) table.tabIndex = 0;
});
