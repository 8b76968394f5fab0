// What scrolls sideways on a narrow screen can be reached by keyboard.
function reachable() {
  for (const box of document.querySelectorAll(
    'article mjx-container[display="true"], article pre, article .cell_output, article .scrolls, article .pst-scrollable-table-container'
  )) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}
window.addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(reachable));
window.addEventListener("resize", reachable);

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
