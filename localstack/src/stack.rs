//! The whole stack: from a checkout to an API that answers.

pub(crate) mod build;
mod deploy;
mod emulator_fixups;
pub(crate) mod error;
pub(crate) mod expand;
mod intrinsic;
mod package;
mod prune;
mod ready;
mod sam;
pub(crate) mod template;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ses::error::ProvideErrorMetadata;

use crate::client::api::Api;
use crate::client::bucket::Bucket;
use crate::client::endpoint::{Endpoint, STACK};
use crate::client::outputs::Outputs;
use crate::client::token::{TokenSigner, all_scopes};
use crate::emulator::Emulator;
use crate::emulator::port::PortChoice;
use crate::emulator::python::Python;
use crate::emulator::state_dir::{StackDir, State, StateDir};
use crate::stack::build::Profile;
use crate::stack::deploy::Deployment;
use crate::stack::error::StackError;
use crate::stack::sam::SamBuild;
use crate::stack::template::Template;
use crate::terminal::progress::Progress;
use crate::workspace::Workspace;

/// Lifetime of a token for all that is done to a stack, such as a run of the chaos.
const LONG: Duration = Duration::from_hours(24);

/// The template's parameter with the address that mail is sent from.
const SENDER_EMAIL: &str = "SenderEmail";

/// Options for bringing up a stack.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port of the emulator.
    pub port: PortChoice,
    /// A running emulator to deploy to, instead of starting one.
    pub endpoint: Option<Endpoint>,
    /// Endpoint that the functions send their calls to, if not the emulator: a proxy that stands before it. An emulator
    /// that is running already has told its functions otherwise.
    pub detour: Option<Endpoint>,
    /// Name of the stack. Several may be on one emulator.
    pub name: String,
    /// The template, whose functions are binaries of this workspace. `sam build` makes those of `template.yaml` alone.
    pub template: PathBuf,
    /// Profile of cargo that the functions are compiled with.
    pub profile: Profile,
    /// Nothing is compiled: what `sam build` has left in `.aws-sam/build` is deployed, by `sam deploy`.
    pub sam: bool,
    /// Display of how far it is.
    pub progress: Progress,
    /// The template's parameters; one that it does not declare is left out.
    pub parameters: BTreeMap<String, String>,
    /// Directory in which stacks keep their state. `cargo local outputs` and its like know those in `.local` alone.
    pub state_dir: PathBuf,
}

impl Default for Options {
    /// A developer's stack.
    fn default() -> Self {
        Self {
            port: PortChoice::default(),
            endpoint: None,
            detour: None,
            name: STACK.to_owned(),
            template: Workspace::of_this_crate().template(),
            profile: Profile::default(),
            sam: false,
            progress: Progress::default(),
            parameters: local_parameters(),
            state_dir: Workspace::of_this_crate().local_dir(),
        }
    }
}

impl Options {
    /// A stack that no other notices: for a test. Its state and its log are in `state_dir`.
    #[must_use]
    pub fn apart(state_dir: impl Into<PathBuf>) -> Self {
        Self { port: PortChoice::Free, progress: Progress::Silent, state_dir: state_dir.into(), ..Self::default() }
    }
}

/// This machine's processor, waits short enough to be watched, and as few functions at once as there may be: each is a
/// process of its own, and more of them than processors only wait for each other until their time is up. Mails have no limit
/// here, and short messages cost nothing: the country of the sample orders gets them. The emulator refuses an alarm that is
/// computed of several metrics, or of other alarms. Guests may order, and
/// webhooks may go to this machine.
fn local_parameters() -> BTreeMap<String, String> {
    let parameters = [
        ("Alarms", "plain"),
        ("Architecture", sam::HOST),
        ("GuestOrders", "yes"),
        ("MailsPerRecipientAndDay", "1000"),
        ("MailsPerSecond", "1000"),
        ("MaxBackoffSeconds", "4"),
        ("MaximumConcurrency", "2"),
        // The API's own address is not known before there is the API.
        ("ShopUrl", "http://shop.localhost"),
        ("SmsCountries", "DE"),
        ("SmsPerRecipientAndDay", "1000"),
        ("WebhookLoopback", "allowed"),
    ];
    parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A deployed stack. Dropping it ends the emulator, if it has started one, and every function with it.
#[derive(Debug)]
pub struct Stack {
    endpoint: Endpoint,
    outputs: Outputs,
    dir: StackDir,
    tokens: Arc<TokenSigner>,
    emulator: Option<Emulator>,
}

impl Stack {
    /// Starts the emulator, builds the functions, deploys the template and waits until all of it works.
    ///
    /// # Errors
    ///
    /// With the first step that fails; nothing is left running then.
    pub async fn up(options: &Options) -> Result<Self, StackError> {
        let workspace = Workspace::of_this_crate();
        let state_dir = StateDir::at(options.state_dir.clone());
        match &options.endpoint {
            Some(endpoint) => Self::up_at(&workspace, &state_dir, endpoint.clone(), options).await,
            None => Self::up_on_own_emulator(&workspace, &state_dir, options).await,
        }
    }

    async fn up_on_own_emulator(
        workspace: &Workspace,
        state_dir: &StateDir,
        options: &Options,
    ) -> Result<Self, StackError> {
        // Failures that a person has to mend come before the long build.
        options.port.check()?;
        let python = Python::of_the_emulator(workspace, options.progress).await?;
        let built = Built::build(workspace, options).await?;
        let claim = state_dir.claim(options.port)?;
        let dir = claim.dir.clone();
        let mut emulator =
            Emulator::start(workspace, &python, claim, options.detour.as_ref(), options.progress).await?;
        let endpoint = emulator.endpoint().clone();
        let state = State { endpoint: endpoint.to_string(), pid: Some(emulator.pid()), outputs: BTreeMap::new() };
        dir.record(&state)?;
        let tokens = Arc::new(dir.token_signer()?);
        let deployed = tokio::select! {
            biased;
            result = built.deploy(&endpoint, options, &tokens) => result,
            death = emulator.death() => Err(death.into()),
        };
        // A call that failed because the emulator died tells less than the death itself.
        let deployed = deployed.and_then(|raw| {
            emulator.check()?;
            Ok(raw)
        });
        match deployed {
            Ok(raw) => {
                dir.record(&State { outputs: raw.clone(), ..state })?;
                let outputs = Outputs::new(raw, &endpoint);
                Ok(Self { endpoint, outputs, dir, tokens, emulator: Some(emulator) })
            }
            Err(error) => {
                // A call that failed because the emulator died tells less than the death itself.
                Err(emulator.check().map_or_else(StackError::from, |()| error))
            }
        }
    }

    async fn up_at(
        workspace: &Workspace,
        state_dir: &StateDir,
        endpoint: Endpoint,
        options: &Options,
    ) -> Result<Self, StackError> {
        endpoint.check().await?;
        let dir = state_dir.stack(endpoint.port());
        let built = Built::build(workspace, options).await?;
        // A stack that `cargo local up` runs in another terminal keeps its process.
        let before = dir.state().filter(|_| dir.is_running());
        let (pid, outputs) = before.map(|state| (state.pid, state.outputs)).unwrap_or_default();
        let state = State { endpoint: endpoint.to_string(), pid, outputs };
        // From now on `cargo local down` knows of it, and removes what a deployment leaves that does not come to its
        // end.
        dir.record(&state)?;
        let tokens = Arc::new(dir.token_signer()?);
        let raw = built.deploy(&endpoint, options, &tokens).await?;
        dir.record(&State { outputs: raw.clone(), ..state })?;
        let outputs = Outputs::new(raw, &endpoint);
        Ok(Self { endpoint, outputs, dir, tokens, emulator: None })
    }

    /// File for the spans of a collector, which `cargo local trace` reads.
    pub(crate) fn spans(&self) -> PathBuf {
        self.dir.spans()
    }

    /// The emulator's URL.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Outputs of the stack.
    #[must_use]
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Configuration of every client of the AWS SDK.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        self.endpoint.sdk_config()
    }

    /// A client of the stack's HTTP API who may do everything there.
    ///
    /// # Errors
    ///
    /// If the system refuses to open what an HTTP client needs, or what a signature does.
    pub fn api(&self) -> Result<Api, StackError> {
        let token = self.tokens.token("staff", &all_scopes(), LONG)?;
        Ok(Api::at(self.outputs.get("ApiUrl").unwrap_or_default())?.with_token(token))
    }

    /// The signer of the access tokens that the stack takes.
    #[must_use]
    pub fn tokens(&self) -> &Arc<TokenSigner> {
        &self.tokens
    }

    /// The emulator's log, with what the functions have written.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.log()
    }

    /// The emulator's process, which leads the process group that it and all its functions are in; none if someone else
    /// has started it.
    #[must_use]
    pub fn emulator_pid(&self) -> Option<u32> {
        self.emulator.as_ref().map(Emulator::pid)
    }

    pub(crate) fn port(&self) -> u16 {
        self.dir.port()
    }

    /// True if this process runs the stack's emulator.
    pub(crate) fn owns_emulator(&self) -> bool {
        self.emulator.is_some()
    }

    /// Returns once the emulator has ended by itself, with the reason; never for someone else's emulator.
    pub(crate) async fn death(&mut self) -> StackError {
        match &mut self.emulator {
            Some(emulator) => emulator.death().await.into(),
            None => std::future::pending().await,
        }
    }

    /// An error if the emulator has ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), StackError> {
        self.emulator.as_mut().map_or(Ok(()), |emulator| Ok(emulator.check()?))
    }

    /// Lets the emulator live on when this process ends.
    pub(crate) fn detach(mut self) -> Result<(), StackError> {
        match self.emulator.take() {
            Some(emulator) => Ok(emulator.detach()?),
            None => Ok(()),
        }
    }

    /// Deletes the stack of that name from an emulator that someone else has started, with what is in its buckets, and
    /// all that was uploaded for it. It need not exist.
    ///
    /// # Errors
    ///
    /// If the emulator does not answer, or does not delete it.
    pub async fn delete(endpoint: &Endpoint, name: &str, progress: Progress) -> Result<(), StackError> {
        let deployment = Deployment::new(&endpoint.sdk_config(), name);
        // A bucket with something in it would keep the stack from being deleted.
        for bucket in deployment.buckets().await? {
            Bucket::of(endpoint, bucket)?.empty().await?;
        }
        deployment.delete(progress).await?;
        Ok(package::remove(endpoint, name).await?)
    }

    /// Ends the stack and removes its log, too, which a dropped stack leaves.
    pub fn down(mut self) {
        if let Some(emulator) = self.emulator.take() {
            emulator.down();
        }
    }
}

/// The template and the functions' code.
struct Built {
    template: Template,
    code: Code,
}

enum Code {
    /// Made by cargo: the executable of each binary.
    Binaries(BTreeMap<String, PathBuf>),
    /// Made by SAM.
    Sam(SamBuild),
}

impl Built {
    async fn build(workspace: &Workspace, options: &Options) -> Result<Self, StackError> {
        let template = Template::read(&options.template)?;
        let code = if options.sam {
            Code::Sam(SamBuild::of(workspace)?)
        } else {
            Code::Binaries(build::build(workspace, &template.binaries(), options.profile, options.progress).await?)
        };
        Ok(Self { template, code })
    }

    /// Uploads and deploys it; the stack's outputs once everything works.
    async fn deploy(
        &self,
        endpoint: &Endpoint,
        options: &Options,
        tokens: &TokenSigner,
    ) -> Result<BTreeMap<String, String>, StackError> {
        let Self { template, code } = self;
        let mut parameters = tokens.parameters();
        parameters.extend(endpoint.live_parameters().await?);
        parameters.extend(options.parameters.clone());
        let parameters = declared(template, &parameters);
        let sdk = endpoint.sdk_config();
        let deployment = Deployment::new(&sdk, &options.name);
        match code {
            Code::Binaries(executables) => {
                let template = template.with(&parameters)?;
                let package =
                    package::upload(endpoint, &options.name, &template, executables, options.progress).await?;
                let resource_count = template.resource_count();
                deployment.deploy(&package.template_url, &parameters, resource_count, options.progress).await?;
            }
            Code::Sam(build) => build.deploy(endpoint, &options.name, &parameters, options.progress).await?,
        }
        let raw = deployment.outputs().await?;
        emulator_fixups::apply(endpoint, &sdk, template, &raw).await?;
        self.verify_sender(&sdk, &parameters).await?;
        let outputs = Outputs::new(raw.clone(), endpoint);
        ready::wait(endpoint, &outputs, options.progress).await?;
        Ok(raw)
    }

    /// As SES does, LocalStack sends mail only from an identity that is verified; there, to ask is to be verified.
    async fn verify_sender(&self, sdk: &SdkConfig, parameters: &BTreeMap<String, String>) -> Result<(), StackError> {
        let set = parameters.get(SENDER_EMAIL).map(String::as_str);
        let Some(sender) = set.or_else(|| self.template.parameter_default(SENDER_EMAIL)) else { return Ok(()) };
        let ses = aws_sdk_ses::Client::new(sdk);
        match ses.verify_email_identity().email_address(sender).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(StackError::Sender(error.message().unwrap_or("the emulator's SES does not answer").to_owned()))
            }
        }
    }
}

fn declared(template: &Template, parameters: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let declared = parameters.iter().filter(|(name, _)| template.declares_parameter(name));
    declared.map(|(name, value)| (name.clone(), value.clone())).collect()
}
