// The seven types of node: what they are called, what usually stands below them, and the fields of their templates.

const STATUS = {
  key: "completion_status",
  label: "Status",
  kind: "choice",
  choices: [
    ["", "Not set"],
    ["not_started", "Not started"],
    ["in_progress", "In progress"],
    ["complete", "Complete"],
  ],
};

const line = (key, label, help) => ({ key, label, help, kind: "line" });
const area = (key, label, help) => ({ key, label, help, kind: "area" });
const number = (key, label, help) => ({ key, label, help, kind: "number" });

/** In the order in which a tree usually has them, from the top down. */
export const TYPES = {
  objective: {
    label: "Objective",
    below: "outcome",
    meaning: "What all of this is for.",
    fields: [
      area("core_why", "Why it matters", "The reason that would convince someone who has never heard of it."),
      area("desired_outcome", "What success looks like", "A state of the world, not a list of work."),
      line("horizon", "Horizon", "By when, such as “12 months”."),
      STATUS,
    ],
  },
  outcome: {
    label: "Outcome",
    below: "opportunity",
    meaning: "A change in what people do.",
    fields: [
      area("core_why", "Why it matters", "How this change leads to the objective."),
      line("desired_outcome", "Target", "From what to what, by when."),
      line("evidence", "How we will know", "The number or observation that settles it."),
      STATUS,
    ],
  },
  opportunity: {
    label: "Opportunity",
    below: "solution",
    meaning: "A need or pain that stands in the way.",
    fields: [
      area("customer_problem", "Problem", "In the words of the person who has it."),
      line("who", "Who has it", "Which people, and how many of them."),
      number("impact_score", "Impact, 1 to 10", "How much the outcome moves if this is solved."),
      STATUS,
    ],
  },
  solution: {
    label: "Solution",
    below: "assumption",
    meaning: "Something we could do about it.",
    fields: [
      area("hypothesis", "Hypothesis", "We believe that … will …, because …"),
      line("effort", "Effort", "A rough size, such as “2 weeks”."),
      line("owner", "Owner", "Who carries it."),
      STATUS,
    ],
  },
  assumption: {
    label: "Assumption",
    below: "research",
    meaning: "What must be true for a solution to work.",
    fields: [
      area("test", "Cheapest test", "The smallest thing that could prove it wrong."),
      number("confidence", "Confidence, 1 to 10", "How sure we are today."),
      area("result", "What the test showed", "Also when it showed nothing."),
      STATUS,
    ],
  },
  metric: {
    label: "Metric",
    below: "research",
    meaning: "A number that tells whether we get there.",
    fields: [
      number("baseline", "Baseline", "Where it stood at the beginning."),
      number("current", "Current", "Where it stands today."),
      number("target", "Target", "Where it should be."),
      line("unit", "Unit", "Such as “%” or “per week”."),
      line("review", "Review", "When it is looked at."),
      STATUS,
    ],
  },
  research: {
    label: "Research",
    below: "research",
    meaning: "A question, and how it is answered.",
    fields: [
      line("method", "Method", "Such as interviews, a diary study, a count."),
      number("participants", "Participants", "How many people or cases."),
      area("finding", "Finding", "What was learned, in one or two sentences."),
      STATUS,
    ],
  },
};

// The server's kinds of fields as those of this page.
const KINDS = {
  text: "line",
  long_text: "area",
  list: "list",
  number: "number",
  choice: "choice",
  date: "date",
  flag: "flag",
};

/** Take the server's templates in place of those above; a status stands below the fields of every type. */
export function adopt(templates) {
  for (const [type, { meaning, fields }] of Object.entries(templates)) {
    if (!TYPES[type]) continue;
    TYPES[type].meaning = meaning || TYPES[type].meaning;
    TYPES[type].fields = [...fields.map(fieldOf), STATUS];
  }
}

function fieldOf({ name, label, kind = "text", help = "", choices = [] }) {
  const field = { key: name, label, help, kind: KINDS[kind] ?? "line" };
  return kind === "choice" ? { ...field, choices: [["", "Not set"], ...choices.map((one) => [one, one])] } : field;
}

/** The type a new node below (or beside) another one most likely has. */
export function typeBelow(type) {
  return type ? TYPES[type].below : "objective";
}

/** What a path of a node is called on the page: `template_data.core_why` of an outcome is “Why it matters”. */
export function pathLabel(path, type) {
  const [field, key] = path.split(".");
  if (field === "template_data")
    return TYPES[type]?.fields.find((one) => one.key === key)?.label ?? key.replaceAll("_", " ");
  return (
    {
      title: "Title",
      description: "Description",
      type: "Type",
      placement: "Place in the tree",
      label: "Label",
      name: "Name",
      discovery_phase: "Phase",
    }[field] ?? path
  );
}

/** A stored value as a person reads it. */
export function shown(value) {
  if (value === null || value === undefined || value === "") return "(empty)";
  const choice = STATUS.choices.find(([key]) => key === value);
  if (choice) return choice[1];
  if (TYPES[value]) return TYPES[value].label;
  return typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value);
}
