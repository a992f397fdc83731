// Sends the answer, waits out the delay the server asks for, and reloads into the app when the answer was right.
const form = document.querySelector("#form");
const picture = document.querySelector("#question");
const answer = document.querySelector("#answer");
const message = document.querySelector("#message");
const send = document.querySelector("#send");
const another = document.querySelector("#another");

async function post(body) {
  const response = await fetch("/human_check", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { response, content: await response.json() };
}

function showQuestion() {
  picture.src = `/human_check?${Date.now()}`;
  answer.value = "";
  answer.focus();
}

function waitFor(seconds) {
  send.disabled = another.disabled = seconds > 0;
  if (seconds <= 0) {
    message.textContent = "";
    return;
  }
  message.textContent = form.dataset.wait.replace("{s}", seconds);
  setTimeout(() => waitFor(seconds - 1), 1000);
}

async function submit(body) {
  try {
    const { response, content } = await post(body);
    if (content.human) {
      location.reload();
      return;
    }
    if (response.status === 429) {
      waitFor(Number(response.headers.get("Retry-After")) || 1);
      return;
    }
    message.textContent = content.message ?? "";
    showQuestion();
  } catch {
    message.textContent = form.dataset.offline;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!/^\s*-?\d+\s*$/.test(answer.value)) {
    message.textContent = form.dataset.number;
    answer.focus();
    return;
  }
  submit({ answer: Number(answer.value) });
});
another.addEventListener("click", () => submit({ another: true }));
