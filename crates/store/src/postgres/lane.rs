//! What a lane does with the batch that it took.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use claviger_core::context::Id;
use claviger_core::port::{AccessFacts, AccessRecord, Change, ClientProof, Outcome, Owner, StoreError};
use futures_util::future::{MaybeDone, maybe_done};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::apply::{Step, step, uuid};
use super::line::{Failed, Line, Session};
use super::read;
use crate::coalesce::Answer;
use crate::columns::{join_audience, join_scope};
use crate::order::{order, restored, sorted};
use crate::retry::Retry;
use crate::statistics::{Kind, Statistics};

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

impl Lane {
    /// Reads access tokens, all in one statement.
    pub(super) async fn read_access(self, ids: Vec<Id>) -> Vec<Answer<Option<AccessFacts>>> {
        let mut found = HashMap::new();
        let rows = match self.access_rows(&ids).await {
            Ok(rows) => rows,
            Err(error) => return ids.iter().map(|_| Err(error.clone())).collect(),
        };
        for row in &rows {
            match read::access(row) {
                Ok(facts) => drop(found.insert(facts.access.id, facts)),
                Err(error) => return ids.iter().map(|_| Err(error.clone())).collect(),
            }
        }
        // As many rows as questions: nobody asked for the same token twice, and each can have its row as it is.
        if rows.len() == ids.len() {
            return ids.iter().map(|id| Ok(found.remove(id))).collect();
        }
        ids.iter().map(|id| Ok(found.get(id).cloned())).collect()
    }

    async fn access_rows(&self, ids: &[Id]) -> Result<Vec<Row>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().copied().map(uuid).collect();
        let (mut is_second, mut retry) = (false, Retry::new());
        loop {
            let session = self.line.session().await?;
            self.statistics.sent_batch(Kind::Access, ids.len());
            let values: [&(dyn ToSql + Sync); 1] = [&ids];
            let asking = session.statements.access.query(&session.client, &values);
            match self.line.answer(&session, asking).await {
                Ok(rows) => return Ok(rows),
                // A connection may have died while nobody was looking; reading twice does no harm.
                Err(Failed::Lost(_)) if !is_second => is_second = true,
                Err(failed) if failed.may_pass() && retry.again().await => {}
                Err(failed) => return Err(StoreError::from(&failed)),
            }
        }
    }

    /// Inserts tokens, all in one statement. What the statement does not return had an outdated client.
    pub(super) async fn issue(self, mut batch: Vec<Issue>) -> Vec<Answer<Outcome>> {
        let positions = sorted(&mut batch, |issue| issue.access.id);
        let session = match self.line.session().await {
            Ok(session) => session,
            Err(error) => return batch.iter().map(|_| Err(error.clone())).collect(),
        };
        let answers = match self.insert(&session, &batch).await {
            Ok(applied) => batch
                .iter()
                .map(|issue| Ok(outcome(applied.contains(&uuid(issue.access.id)))))
                .collect(),
            Err(failed @ Failed::Refused(_)) if batch.len() > 1 || failed.may_pass() => {
                self.issue_singly(&session, &batch).await
            }
            Err(failed) => batch.iter().map(|_| Err(StoreError::from(&failed))).collect(),
        };
        restored(answers, &positions)
    }

    async fn issue_singly(&self, session: &Arc<Session>, batch: &[Issue]) -> Vec<Answer<Outcome>> {
        let mut answers = Vec::with_capacity(batch.len());
        for one in batch {
            answers.push(self.issue_one(session, one).await);
        }
        answers
    }

    async fn issue_one(&self, session: &Arc<Session>, one: &Issue) -> Answer<Outcome> {
        let mut retry = Retry::new();
        loop {
            match self.insert(session, std::slice::from_ref(one)).await {
                Ok(applied) => return Ok(outcome(!applied.is_empty())),
                Err(failed) if failed.may_pass() && retry.again().await => {}
                Err(failed) => return Err(StoreError::from(&failed)),
            }
        }
    }

    async fn insert(&self, session: &Arc<Session>, batch: &[Issue]) -> Result<Vec<Uuid>, Failed> {
        let all = || batch.iter().map(|issue| &issue.access);
        let owned = |own: fn(&[String], &[String]) -> String| -> Vec<String> {
            all()
                .map(|access| match &access.owner {
                    Owner::Client { scope, audience, .. } => own(scope, audience),
                    Owner::Grant { .. } => String::new(),
                })
                .collect()
        };
        let ids: Vec<_> = all().map(|access| uuid(access.id)).collect();
        let digests: Vec<_> = all().map(|access| &access.digest.0[..]).collect();
        let scopes = owned(|scope, _| join_scope(scope));
        let audiences = owned(|_, audience| join_audience(audience));
        let issued: Vec<_> = all().map(|access| access.issued_at.0).collect();
        let expires: Vec<_> = all().map(|access| access.expires_at.0).collect();
        let clients: Vec<_> = batch.iter().map(|issue| &*issue.client.id).collect();
        let sealed: Vec<Option<&[u8]>> = all()
            .map(|access| match &access.owner {
                Owner::Client { sealed, .. } => sealed.as_deref(),
                Owner::Grant { .. } => None,
            })
            .collect();
        let versions: Vec<_> = batch.iter().map(|issue| issue.client.version).collect();
        self.statistics.sent_batch(Kind::Issue, batch.len());
        let statement = &session.statements.issue;
        let asking = async {
            let values: [&(dyn ToSql + Sync); 9] = [
                &ids, &digests, &scopes, &audiences, &issued, &expires, &clients, &versions, &sealed,
            ];
            statement.query(&session.client, &values).await
        };
        let rows = self.line.answer(session, asking).await?;
        rows.iter().map(|row| row.try_get(0).map_err(Failed::Refused)).collect()
    }

    /// Applies changes in one transaction, sent without waiting in between.
    pub(super) async fn apply(self, mut batch: Vec<Change>) -> Vec<Answer<Outcome>> {
        let positions = sorted(&mut batch, order);
        let session = match self.line.session().await {
            Ok(session) => session,
            Err(error) => return batch.iter().map(|_| Err(error.clone())).collect(),
        };
        let together = match batch.as_slice() {
            [_] => None,
            batch => Some(self.together(&session, batch).await),
        };
        let answers = match together {
            Some(Ok(outcomes)) => outcomes.into_iter().map(Ok).collect(),
            Some(Err(failed @ (Failed::Lost(_) | Failed::Silent))) => {
                batch.iter().map(|_| Err(StoreError::from(&failed))).collect()
            }
            // Somebody in the batch failed, and everything was undone: nobody shall suffer for another.
            _ => {
                let mut answers = Vec::with_capacity(batch.len());
                for change in &batch {
                    answers.push(self.alone(&session, change).await);
                }
                answers
            }
        };
        restored(answers, &positions)
    }

    async fn alone(&self, session: &Arc<Session>, change: &Change) -> Answer<Outcome> {
        let mut retry = Retry::new();
        loop {
            let step = step(&session.statements, change).ok_or_else(no_statement)?;
            self.statistics.sent_batch(Kind::Change, 1);
            match self.line.answer(session, run(session, step)).await {
                Ok(outcome) => return Ok(outcome),
                Err(failed) if failed.may_pass() && retry.again().await => {}
                Err(failed) => return Err(StoreError::from(&failed)),
            }
        }
    }

    async fn together(&self, session: &Arc<Session>, batch: &[Change]) -> Result<Vec<Outcome>, Failed> {
        self.statistics.sent_batch(Kind::Change, batch.len());
        let steps: Vec<_> = batch
            .iter()
            .filter_map(|change| step(&session.statements, change))
            .collect();
        let asking = async {
            for step in &steps {
                step.statement.prepare(&session.client).await?;
            }
            let mut begin = sent(session.client.batch_execute("BEGIN")).await;
            let mut changes = Vec::with_capacity(steps.len());
            for step in steps {
                changes.push(sent(run(session, step)).await);
            }
            let mut commit = sent(session.client.batch_execute("COMMIT")).await;
            // All answers are taken, so that an error leaves no transaction open. After an error the server answers
            // COMMIT with ROLLBACK.
            let begun = done(&mut begin).await;
            let mut outcomes = Vec::with_capacity(changes.len());
            for change in &mut changes {
                outcomes.push(done(change).await);
            }
            let committed = done(&mut commit).await;
            begun?;
            let outcomes = outcomes.into_iter().collect::<Result<Option<Vec<_>>, _>>()?;
            committed.map(|_| outcomes)
        };
        self.line.answer(session, asking).await?.ok_or(Failed::Silent)
    }
}

async fn run(session: &Session, step: Step<'_>) -> Result<Outcome, Error> {
    let has_predicate = step.has_predicate;
    let rows = step.statement.execute(&session.client, step.values).await?;
    Ok(outcome(rows > 0 || !has_predicate))
}

fn outcome(is_applied: bool) -> Outcome {
    if is_applied {
        Outcome::Applied
    } else {
        Outcome::LostRace
    }
}

fn no_statement() -> StoreError {
    StoreError::Broken("a change has no statement in this lane".to_owned())
}

/// Starts `asking` so that its message is on the way before the next one's.
async fn sent<F: Future>(asking: F) -> Pin<Box<MaybeDone<F>>> {
    let mut asking = Box::pin(maybe_done(asking));
    poll_fn(|context| {
        let _ = asking.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    asking
}

/// The answer to what was sent; none if it was taken before.
async fn done<T, F: Future<Output = Result<T, Error>>>(
    asking: &mut Pin<Box<MaybeDone<F>>>,
) -> Result<Option<T>, Error> {
    asking.as_mut().await;
    asking.as_mut().take_output().transpose()
}
