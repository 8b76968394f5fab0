// The front page's figure: two networks walk from one noise. What ghr.book.hero made is shown moment by moment. No module,
// so that it also runs where pages are opened as files.

(() => {
  const EVERY = 170; // milliseconds a moment
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  function play(el) {
    const { side: [height, width], columns, sigmas, files, folder, numbers } = JSON.parse(el.querySelector("script").textContent);
    const sizes = Object.keys(files);
    const last = sigmas.length - 1;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const sheets = new Map();
    const known = (n) => Number(n).toLocaleString("en");
    let [n, round, step, timer, turn] = [sizes.at(-1), 0, last, null, 0];

    // Pictures: canvases in the place of the still ones.
    const tiles = [...el.querySelectorAll(".hero-row")].flatMap((row) => {
      const right = row.classList.contains("hero-B") ? columns : 0;
      const moment = row.classList.contains("hero-nearest") ? () => last + 1 : () => step;
      return [...row.querySelectorAll("img")].map((image, k) => {
        const canvas = make("canvas", { width, height, className: "dark-light", ariaLabel: image.alt });
        canvas.setAttribute("role", "img");
        image.replaceWith(canvas);
        return () => [canvas, (right + k) * width, moment() * height];
      });
    });
    const nearest = el.querySelectorAll(".hero-nearest");

    function sheet() {
      const file = files[n][round];
      if (!sheets.has(file)) {
        const image = Object.assign(new Image(), { src: folder + file });
        sheets.set(file, image.decode().then(() => image));
      }
      return sheets.get(file);
    }

    async function draw() {
      const wanted = files[n][round];
      const image = await sheet();
      if (wanted !== files[n][round]) return; // the reader is elsewhere by now
      for (const tile of tiles) {
        const [canvas, x, y] = tile();
        canvas.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
      }
      for (const row of nearest) row.classList.toggle("hero-waits", step < last);
      el.dataset.step = step;
      slider.value = step;
      output.textContent = `σ = ${sigmas[step].toFixed(2)}`;
      slider.setAttribute("aria-valuetext", `step ${step} of ${last}, noise of σ = ${sigmas[step].toFixed(2)}`);
      pause.replaceChildren(timer ? "Pause" : step < last ? "Play" : "Play again");
    }

    // Motion: it ends by itself, and never begins by itself for those who asked for less of it.
    function halt() {
      clearInterval(timer);
      timer = null;
      turn++;
    }

    async function begin(from = 0) {
      halt();
      step = from;
      const mine = turn;
      await sheet();
      if (mine !== turn) return; // the reader has done something else by now
      timer = setInterval(() => {
        step = Math.min(step + 1, last);
        if (step === last) {
          halt();
          tell();
        }
        draw();
      }, EVERY);
      draw();
    }

    function anew() {
      if (!still) return begin();
      halt();
      step = last;
      draw();
      tell();
    }

    // Numbers.
    function count() {
      el.querySelector('[data-number="n"]').textContent = known(n);
      for (const [name, [value, interval]] of Object.entries(numbers[n])) {
        const line = el.querySelector(`[data-number="${name}"]`);
        line.querySelector("b").textContent = value;
        line.querySelector("small").textContent = interval;
        const dot = el.querySelector(`circle.hero-${name}`);
        [dot.cx.baseVal.value, dot.cy.baseVal.value] = JSON.parse(dot.dataset.places)[n];
      }
      el.dataset.n = n;
    }

    function tell() {
      const { same_noise, nearest, null: fresh } = numbers[n];
      heard.textContent = `N = ${known(n)}. Similarity of A’s and B’s face from one noise: ${same_noise[0]}; of a drawn face to its nearest training image: ${nearest[0]}; of a new face: ${fresh[0]}.`;
    }

    // Controls.
    const chips = sizes.map((size) => {
      const input = make("input", { type: "radio", name: "hero-n", value: size, checked: size === n });
      input.addEventListener("change", () => {
        n = size;
        count();
        anew();
      });
      return make("label", {}, input, make("span", { textContent: known(size) }));
    });
    const group = make("fieldset", { className: "hero-sizes" }, make("legend", { textContent: "Training images of each network, N" }), ...chips);
    const pause = make("button", { type: "button" });
    pause.addEventListener("click", () => {
      if (timer) {
        halt();
        draw();
      } else begin(step < last ? step : 0);
    });
    const fresh = make("button", { type: "button", textContent: "New noise" });
    fresh.addEventListener("click", () => {
      round = (round + 1) % files[n].length;
      el.dataset.round = round;
      anew();
    });
    const slider = make("input", { type: "range", min: 0, max: last, step: 1, value: last, ariaLabel: "from noise to face" });
    slider.addEventListener("input", () => {
      halt();
      step = +slider.value;
      draw();
    });
    const output = make("output", {});
    output.setAttribute("aria-hidden", "true"); // the slider says it already
    const heard = make("p", { className: "hero-heard" });
    heard.setAttribute("aria-live", "polite");
    const tools = make("div", { className: "hero-tools" }, pause, fresh, make("label", {}, "noise ", slider, " face"), output);
    el.prepend(group);
    el.querySelector(".hero-stage").append(tools);
    el.append(heard);
    el.dataset.round = round;
    window.addEventListener("beforeprint", () => {
      halt();
      step = last;
      draw();
    });
    count();
    draw().then(() => !still && begin());
  }

  for (const el of document.querySelectorAll(".hero")) play(el);
})();
