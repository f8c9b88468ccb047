//! What a lane does with the batch that it took.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use claviger_core::context::Id;
use claviger_core::port::{AccessFacts, AccessRecord, Change, ClientProof, Outcome, StoreError};
use mysql_async::Row;

use super::fault::Failed;
use super::line::Line;
use super::script::{Script, outcomes};
use super::{apply, read, statements};
use crate::coalesce::Answer;
use crate::order::{order, restored, sorted};
use crate::retry::Retry;
use crate::statistics::{Kind, Statistics};

/// Most bytes of one text, well below what every server takes (`max_allowed_packet`).
const LONGEST_TEXT: usize = 1 << 20;

/// A lane's connection and counters.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) line: Arc<Line>,
    pub(super) statistics: Arc<Statistics>,
}

/// A token of a client itself, to be inserted.
pub(super) struct Issue {
    pub(super) access: AccessRecord,
    pub(super) client: ClientProof,
}

/// A statement that reads.
pub(super) struct Question {
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl Lane {
    /// Reads many things, all in one text.
    pub(super) async fn read(self, batch: Vec<Question>) -> Vec<Answer<Vec<Row>>> {
        if let [_, _, ..] = batch.as_slice()
            && let Some(first) = batch.first()
        {
            // In one transaction a server of a Galera cluster waits once for what the others did, not once per statement.
            // The isolation level lets each statement see the latest nevertheless.
            let texts = batch.iter().map(|question| question.text.as_str());
            let text = format!("START TRANSACTION READ ONLY;{}COMMIT;", texts.collect::<String>());
            if text.len() <= LONGEST_TEXT {
                self.statistics.sent(first.kind);
                match self.line.ask(&text).await {
                    Ok(sets) if sets.len() == batch.len() => return sets.into_iter().map(Ok).collect(),
                    Err(
                        failed @ (Failed::Unconnected(_) | Failed::Silent | Failed::Unclear { .. } | Failed::Lost(_)),
                    ) => {
                        return batch.iter().map(|_| Err(failed.clone().into())).collect();
                    }
                    // Nobody shall suffer for another.
                    Ok(_) | Err(Failed::Refused { .. }) => {}
                }
            }
        }
        let mut answers = Vec::with_capacity(batch.len());
        for question in &batch {
            let sets = self.ask(question.kind, &question.text).await;
            answers.push(sets.map(|sets| sets.into_iter().next().unwrap_or_default()));
        }
        answers
    }

    /// Asks what changes nothing, again and again while the server is busy with others.
    pub(super) async fn ask(&self, kind: Kind, text: &str) -> Answer<Vec<Vec<Row>>> {
        let mut retry = Retry::new();
        loop {
            self.statistics.sent(kind);
            match self.line.ask(text).await {
                Err(failed) if failed.may_pass_after(retry.spent()) && retry.again().await => {}
                answer => return answer.map_err(StoreError::from),
            }
        }
    }

    /// Reads access tokens, all in one statement.
    pub(super) async fn read_access(self, ids: Vec<Id>) -> Vec<Answer<Option<AccessFacts>>> {
        match self.found(&ids).await {
            Ok(found) => ids.iter().map(|id| Ok(found.get(id).cloned())).collect(),
            Err(error) => ids.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn found(&self, ids: &[Id]) -> Answer<HashMap<Id, AccessFacts>> {
        let mut text = statements::ACCESS.to_owned();
        for (position, id) in ids.iter().enumerate() {
            text.push(if position == 0 { '(' } else { ',' });
            super::sql::Value::from(*id).write(&mut text);
        }
        text.push_str(");");
        let sets = self.ask(Kind::Access, &text).await?;
        let facts = sets.iter().flatten().map(read::access);
        facts.map(|facts| facts.map(|facts| (facts.access.id, facts))).collect()
    }

    /// Inserts tokens, one statement for all of a client.
    pub(super) async fn issue(self, mut batch: Vec<Issue>) -> Vec<Answer<Outcome>> {
        let positions = sorted(&mut batch, |issue| issue.access.id);
        let answers = match batch.as_slice() {
            [_] => None,
            batch => self.issue_together(batch).await,
        };
        let answers = match answers {
            Some(answers) => answers,
            None => self.issue_singly(batch).await,
        };
        restored(answers, &positions)
    }

    /// None if one of the batch failed, so that each has to be tried alone.
    async fn issue_together(&self, batch: &[Issue]) -> Option<Vec<Answer<Outcome>>> {
        let mut clients: BTreeMap<(&str, i64), Vec<usize>> = BTreeMap::new();
        for (position, issue) in batch.iter().enumerate() {
            let client = (&*issue.client.id, issue.client.version);
            clients.entry(client).or_default().push(position);
        }
        let mut text = String::new();
        for positions in clients.values() {
            let issues: Vec<_> = positions.iter().filter_map(|position| batch.get(*position)).collect();
            let rows: Vec<_> = issues.iter().map(|issue| apply::issued_row(&issue.access)).collect();
            let client = &issues.first()?.client;
            text.push_str(&apply::issue(client, &rows.join(" UNION ALL ")));
            text.push_str("SELECT ROW_COUNT() > 0;");
        }
        if text.len() > LONGEST_TEXT {
            return None;
        }
        let told = match self.together(Kind::Issue, &text, clients.len()).await {
            Ok(told) => told,
            Err(Failed::Refused { .. }) => return None,
            Err(failed) => return Some(batch.iter().map(|_| Err(failed.clone().into())).collect()),
        };
        let mut answers: Vec<_> = batch.iter().map(|_| Ok(Outcome::LostRace)).collect();
        for (positions, outcome) in clients.values().zip(told) {
            for position in positions {
                if let Some(answer) = answers.get_mut(*position) {
                    *answer = Ok(outcome);
                }
            }
        }
        Some(answers)
    }

    async fn issue_singly(&self, batch: Vec<Issue>) -> Vec<Answer<Outcome>> {
        let mut answers = Vec::with_capacity(batch.len());
        for Issue { access, client } in batch {
            let change = Change::Issue { access, client };
            answers.push(self.alone(Kind::Issue, &Script::of(&change).text).await);
        }
        answers
    }

    /// Applies changes in one transaction, or in several if they are long.
    pub(super) async fn apply(self, mut batch: Vec<Change>) -> Vec<Answer<Outcome>> {
        let positions = sorted(&mut batch, order);
        let scripts: Vec<_> = batch.iter().map(|change| Script::of(change).text).collect();
        let mut answers = Vec::with_capacity(scripts.len());
        let mut rest = scripts.as_slice();
        while !rest.is_empty() {
            let (part, others) = rest.split_at(fitting(rest));
            rest = others;
            answers.extend(self.apply_part(part).await);
        }
        restored(answers, &positions)
    }

    async fn apply_part(&self, scripts: &[String]) -> Vec<Answer<Outcome>> {
        if scripts.len() > 1 {
            match self.together(Kind::Change, &scripts.concat(), scripts.len()).await {
                Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
                Err(failed @ (Failed::Unconnected(_) | Failed::Unclear { .. } | Failed::Lost(_) | Failed::Silent)) => {
                    return scripts.iter().map(|_| Err(failed.clone().into())).collect();
                }
                // Somebody in the batch failed, and everything was undone: nobody shall suffer for another.
                Err(Failed::Refused { .. }) => {}
            }
        }
        let mut answers = Vec::with_capacity(scripts.len());
        for script in scripts {
            answers.push(self.alone(Kind::Change, script).await);
        }
        answers
    }

    /// One change, again and again while the server undoes it for the sake of others.
    async fn alone(&self, kind: Kind, script: &str) -> Answer<Outcome> {
        let mut retry = Retry::new();
        loop {
            match self.together(kind, script, 1).await {
                Ok(outcomes) => return outcomes.first().copied().ok_or_else(unsaid),
                Err(failed) if failed.may_pass_after(retry.spent()) && retry.again().await => {}
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    async fn together(&self, kind: Kind, text: &str, changes: usize) -> Result<Vec<Outcome>, Failed> {
        self.statistics.sent_batch(kind, changes);
        let sets = self.line.change(text).await?;
        let outcomes = outcomes(&sets).map_err(Failed::Unconnected)?;
        if outcomes.len() == changes {
            Ok(outcomes)
        } else {
            Err(Failed::Unconnected(unsaid()))
        }
    }
}

/// How many texts are sent together: at least one.
fn fitting(texts: &[String]) -> usize {
    let mut bytes = 0;
    let fit = texts.iter().take_while(|text| {
        bytes += text.len();
        bytes <= LONGEST_TEXT
    });
    fit.count().max(1)
}

fn unsaid() -> StoreError {
    StoreError::Broken("the changes of a transaction did not all say what became of them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_longer_than_a_server_takes_and_at_least_one_is_sent() {
        let texts = ["a".repeat(LONGEST_TEXT + 1), "b".repeat(LONGEST_TEXT), "c".to_owned()];
        assert_eq!(fitting(&texts), 1);
        assert_eq!(fitting(&texts[1..]), 1);
        assert_eq!(fitting(&texts[2..]), 1);
        assert_eq!(fitting(&["d".to_owned(), "e".to_owned()]), 2);
    }
}
