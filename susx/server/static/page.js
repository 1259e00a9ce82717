"use strict";

const place = (id) => document.getElementById(id);
const node = (name, text = "", kind = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
};
const percent = (share) => `${(100 * share).toFixed(1)} %`;

const picture = (source, alt) => {
  const image = node("img");
  image.src = source;
  image.alt = alt;
  return image;
};

const classes = (found) => {
  const list = node("dl");
  for (const { label, score } of found) {
    const meter = node("meter");
    meter.value = score;
    meter.setAttribute("aria-label", `${label}: ${percent(score)}`);
    const bar = node("dd");
    bar.append(meter);
    list.append(node("dt", label), bar, node("dd", percent(score), "share"));
  }
  return list;
};

const voters = (found) => {
  const list = node("ul", "", "voters");
  for (const { key, vote, picture: source } of found) {
    const item = node("li");
    if (source) item.append(picture(source, `support image ${key}`));
    item.append(node("span", source ? `+${vote.toFixed(2)}` : `${key}: +${vote.toFixed(2)}`));
    list.append(item);
  }
  return list;
};

const answer = (file, said) => {
  const article = node("article");
  const told = node("div");
  article.append(said.reason ? node("div") : picture(URL.createObjectURL(file), file.name), told);
  if (said.reason) {
    article.className = "failed";
    told.append(node("h2", `${file.name}: ${said.reason}`));
    return article;
  }
  told.append(node("h2", said.classes[0].label), classes(said.classes));
  if (said.voters.length) {
    told.append(node("h3", "Support images that voted most for it, with their votes"));
    told.append(voters(said.voters));
  }
  return article;
};

const ask = async (file) => {
  try {
    const response = await fetch("/predictions", { method: "POST", body: file });
    return await response.json();
  } catch {
    return { reason: "the server does not answer; is it still running?" };
  }
};

const classify = async (files) => {
  for (const [number, file] of [...files].entries()) {
    place("state").textContent = `classifying ${number + 1} of ${files.length} …`;
    place("answers").prepend(answer(file, await ask(file)));
  }
  place("state").textContent = "";
};

const about = async () => {
  const facts = await (await fetch("/about")).json();
  const support = facts.support ? `, support set ${facts.support}` : "";
  place("title").textContent = facts.dataset;
  document.title = `${facts.dataset}: susx`;
  const calibrated = facts.calibrated_on === "nothing" ? "not calibrated" :
    `calibrated on ${facts.calibrated_on}`;
  place("facts").textContent =
    `${facts.classes} classes; ${facts.method}${support}; ${facts.tuning}; probabilities ${calibrated}.`;
};

const drop = place("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  window.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") classify(event.dataTransfer.files);
  });
}
window.addEventListener("paste", (event) => classify(event.clipboardData.files));
place("file").addEventListener("change", (event) => classify(event.target.files));
about();
