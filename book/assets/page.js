// What scrolls sideways on a narrow screen can be reached by keyboard, and looks as if it did.
function reachable() {
  for (const box of document.querySelectorAll(
    'article mjx-container[display="true"], article pre, article .cell_output, article .scrolls, article .wide, article .pst-scrollable-table-container'
  )) {
    const over = box.scrollWidth > box.clientWidth;
    box.classList.toggle("overflows", over);
    if (over) box.tabIndex = 0;
  }
}
window.addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(reachable));
window.addEventListener("resize", reachable);
window.addEventListener("toggle", reachable, true); // of a fold: what it holds had no width

// An address or a link that leads to what is in a fold opens the fold.
function unfold({ hash }, again = false) {
  const target = document.getElementById(decodeURIComponent(hash.slice(1)));
  const folds = [];
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) folds.push(fold);
  const closed = folds.filter(({ open }) => !open);
  for (const fold of closed) fold.open = true;
  if (closed.length || (again && folds.length)) target.scrollIntoView();
}
let moved = false; // by the reader, who is not to be taken elsewhere
for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) {
  window.addEventListener(kind, () => (moved = true), { once: true, passive: true });
}
window.addEventListener("DOMContentLoaded", () => unfold(location));
// what stands above has its height only now
window.addEventListener("load", () =>
  (window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => moved || unfold(location, true))
);
window.addEventListener("hashchange", () => unfold(location));
document.addEventListener("click", ({ target }) => {
  const link = target.closest?.("a[href*='#']");
  if (link && link.pathname === location.pathname) unfold(link); // also when the address already says so
});

// On paper nothing can be unfolded: figures and text that are folded are printed, without the code that drew them.
let printed = [];
window.addEventListener("beforeprint", () => {
  const folds = "article details:not([open]):is(:has(figure), :not(.hide))";
  printed = [...document.querySelectorAll(folds)].filter((fold) => !fold.closest(".tag_hide-input"));
  for (const fold of printed) fold.open = true;
});
window.addEventListener("afterprint", () => {
  for (const fold of printed) fold.open = false;
});

// Arrows that unfold a section of the sidebar say which one.
window.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll("nav li > details > summary")) {
    arrow.ariaLabel = `Pages below ${arrow.closest("li").querySelector("a").textContent.trim()}`;
  }
});

// The ledger: a count of verdicts is a choice of rows.
window.addEventListener("DOMContentLoaded", () => {
  const buttons = [...document.querySelectorAll(".ledger-counts > li")].map((item) => {
    const button = Object.assign(document.createElement("button"), { type: "button", ariaPressed: "false" });
    button.append(...item.childNodes);
    item.append(button);
    button.addEventListener("click", () => {
      const on = button.ariaPressed !== "true";
      for (const each of buttons) each.ariaPressed = `${on && each === button}`;
      for (const row of document.querySelectorAll("article .numbers tbody tr")) {
        row.hidden = on && !row.querySelector(`[data-verdict="${item.dataset.verdict}"]`);
      }
    });
    return button;
  });
});

// On a phone a row of a table of sentences is a card: what is short says which column it is of.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll(".bd-article table.table:not(.numbers, .autosummary, .dataframe)")) {
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.cells].forEach((cell, k) => {
        const short = cell.textContent.trim().length < 13 && !cell.querySelector("strong"); // an answer says itself
        if (k && heads[k] && short) cell.dataset.head = heads[k];
      });
    }
  }
});
