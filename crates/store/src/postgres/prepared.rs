//! One statement on one connection.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::apply::Value;

/// One statement on one connection.
pub(super) struct Prepared {
    pub(super) sql: &'static str,
    types: Vec<Type>,
    /// None behind a pooler that gives each transaction another connection: then the text is sent each time.
    named: Option<Statement>,
}

impl Prepared {
    pub(super) async fn new(client: &Client, sql: &'static str, is_pooled: bool) -> Result<Self, Error> {
        let statement = client.prepare(sql).await?;
        Ok(Self {
            sql,
            types: statement.params().to_vec(),
            named: (!is_pooled).then_some(statement),
        })
    }

    pub(super) async fn query(&self, client: &Client, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        match &self.named {
            Some(named) => client.query(named, values).await,
            None => {
                let typed: Vec<_> = values.iter().copied().zip(self.types.iter().cloned()).collect();
                client.query_typed(self.sql, &typed).await
            }
        }
    }

    pub(super) async fn execute(&self, client: &Client, values: Vec<Value<'_>>) -> Result<u64, Error> {
        match &self.named {
            Some(named) => client.execute_raw(named, values).await,
            None => {
                let values = values.iter().map(|value| &**value as &(dyn ToSql + Sync));
                let typed: Vec<_> = values.zip(self.types.iter().cloned()).collect();
                client.execute_typed(self.sql, &typed).await
            }
        }
    }
}
