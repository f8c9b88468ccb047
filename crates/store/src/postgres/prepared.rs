//! One statement on one connection.

use tokio::sync::OnceCell;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::apply::Value;

/// One statement on one connection, prepared when it is first needed: a server has few connections, but each would need
/// some 20 ms for all statements, and a new one is needed most when the database has just come back.
pub(super) struct Prepared {
    pub(super) sql: &'static str,
    form: OnceCell<Form>,
}

enum Form {
    Named(Statement),
    /// Behind a pooler that gives each transaction another connection: the text is sent each time.
    Typed(Vec<Type>),
}

impl Prepared {
    pub(super) const fn new(sql: &'static str) -> Self {
        Self {
            sql,
            form: OnceCell::const_new(),
        }
    }

    /// Asks for the types alone, in a transaction that the caller has begun.
    pub(super) async fn type_values(&self, client: &Client) -> Result<(), Error> {
        let typing = async || Ok(Form::Typed(client.prepare(self.sql).await?.params().to_vec()));
        self.form.get_or_try_init(typing).await.map(drop)
    }

    /// From here on the statement is sent as soon as it is asked to run.
    pub(super) async fn prepare(&self, client: &Client) -> Result<(), Error> {
        self.form(client).await.map(drop)
    }

    async fn form(&self, client: &Client) -> Result<&Form, Error> {
        let naming = async || Ok(Form::Named(client.prepare(self.sql).await?));
        self.form.get_or_try_init(naming).await
    }

    pub(super) async fn query(&self, client: &Client, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        match self.form(client).await? {
            Form::Named(named) => client.query(named, values).await,
            Form::Typed(types) => {
                let typed: Vec<_> = values.iter().copied().zip(types.iter().cloned()).collect();
                client.query_typed(self.sql, &typed).await
            }
        }
    }

    pub(super) async fn execute(&self, client: &Client, values: Vec<Value<'_>>) -> Result<u64, Error> {
        match self.form(client).await? {
            Form::Named(named) => client.execute_raw(named, values).await,
            Form::Typed(types) => {
                let values = values.iter().map(|value| &**value as &(dyn ToSql + Sync));
                let typed: Vec<_> = values.zip(types.iter().cloned()).collect();
                client.execute_typed(self.sql, &typed).await
            }
        }
    }
}
